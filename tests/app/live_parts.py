"""What the parts of the page of live text are given: a text of two tokens, on which one feature fires."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from app.live.failures import no_worker
from app.live.fired import by_feature
from app.live.state import LiveState, Selection
from app.live.table import Scale, make_table
from app.live.view import LiveView, Read, Under
from app.pages.live import live_form, live_result, live_trouble
from app.pages.tokens import TokenText
from catalog.live_answers import LiveFirings
from catalog.records import DictionaryRecord
from tests.app.synthetic import SyntheticHarvest


def live_arguments(harvested: SyntheticHarvest, tokens: TokenText) -> Mapping[str, Mapping[str, Any]]:
    """What the parts of live text are given."""
    state = LiveState(text="a", at=Selection(0, 1, 1), feature="tiny-mid/0")
    result = live_result(small_view(state, harvested.dictionary), tokens, address="/live")
    form = live_form(state, [harvested.model], [harvested.dictionary])
    return {
        "live/_form.html": {"form": form},
        "live/_trouble.html": {"trouble": live_trouble(no_worker(), state)},
        "live/_side.html": {"side": result.sides[0]},
        **{f"live/_{name}.html": {"result": result} for name in ("result", "choices", "features", "about")},
    }


def small_view(state: LiveState, dictionary: DictionaryRecord) -> LiveView:
    """Feature 0 fires on the second of two tokens."""
    none, one = np.zeros(0, np.float32), np.ones(1, np.int32)
    found = LiveFirings(
        0, dictionary.hash, np.array([1, 2], np.int32), one - 1, one, one - 1, np.ones(1, np.float32), none, none
    )
    read = Read(dictionary, "", (found,), (by_feature(found),), {"device": "cpu", "dtype": "float32"})
    scale = Scale(np.zeros(1, np.int64), np.full(1, np.nan), np.ones(1))
    table = make_table([read.fired], [scale], at=state.at, densest=1.0)
    under = {1: [Under(read, 0, 1.0, 1.0)]}
    return LiveView(
        state, "peak", (read,), ((read,),), (read,), (scale,), table, 1, 0, (under,), lines={}, coloured=(read, 0)
    )
