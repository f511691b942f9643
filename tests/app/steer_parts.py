"""What the parts of the steering pages are given: small answers of a worker, written by hand."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from app.live.attribution import Attribution, Part
from app.live.effects import Effect, Effects
from app.live.failures import no_worker
from app.live.probe_state import ProbeState
from app.live.steer_state import Row, SteerState
from app.live.steering import Change, Chosen
from app.live.written import Event
from app.pages.live_problem import live_problem
from app.pages.probe import ProbePage, choices_of, effects_table, logits_table
from app.pages.steer import steer_page, written_text
from app.pages.tokens import TokenText
from catalog.records import FeatureSummary
from tests.app.synthetic import SyntheticHarvest

STATE = SteerState(text="some text", rows=(Row("tiny-mid/1", "set", "2"),))
PROBE = ProbeState(text="some text", dictionaries=("tiny-mid",))
LINE = FeatureSummary(1, 0.1, 9, 2.0, 1.0, 5, (1, 2), bytes(range(24)), "a label")


def events(*, ended: str = "new_tokens") -> list[Event]:
    """Two texts that part at their second token."""
    row = {"id": 5, "text": "", "without": -1.0, "with": -2.0}
    same, other = ({"id": i, "log_probability": -1.0, "text": "", "is_special": False} for i in (5, 6))
    return [
        {"event": "prompt", "token_ids": [1, 2]},
        {
            "event": "next",
            "likeliest": {"without": [row], "with": [row]},
            "gained": [],
            "lost": [row],
            "divergence": 0.1,
            "entropy": {"without": 1.0, "with": 2.0},
        },
        {"event": "token", "step": 0, "without": same, "with": same},
        {"event": "token", "step": 1, "without": same, "with": other},
        {"event": "end", "reasons": {"without": ended, "with": "end_token"}},
    ]


def chosen(harvested: SyntheticHarvest) -> Chosen:
    return Chosen(harvested.dictionary, 1, LINE)


def effects(harvested: SyntheticHarvest, tokens: TokenText) -> Effects:
    effect = Effect(chosen(harvested), 2.0, at=1, heat=0.5, before=-1.0, after=-1.5, whole=0.1)
    return Effects(tokens, np.array([1, 2, 3], np.int32), 2, np.array([-2.0, -1.0]), (effect,), 1)


def attribution(harvested: SyntheticHarvest, tokens: TokenText) -> Attribution:
    part = Part((1.0, -1.0), 0.5, ((5, 1.0),), ((6, -1.0),))
    return Attribution(
        dictionary=harvested.dictionary,
        tokens=tokens,
        token_ids=(1, 2, 3),
        position=1,
        following=3,
        targets=(3, 5),
        logits=(2.0, 1.0),
        log_probabilities=(-1.0, -2.0),
        mean_logit=0.2,
        features=((chosen(harvested), 2.0, part),),
        others=part,
        n_others=3,
        parts=dict.fromkeys(("bias", "error", "rest", "constant"), part),
        gap=0.5,
    )


def steer_arguments(harvested: SyntheticHarvest, tokens: TokenText) -> Mapping[str, Mapping[str, Any]]:
    """What each part is given, by folder and name."""
    changes = [Change(chosen(harvested), "set", 2.0)]
    written = written_text(events(), changes, tokens, STATE)
    probe = ProbePage("effects", PROBE, choices_of([harvested.dictionary], PROBE), many=True)
    table = effects_table(effects(harvested, tokens), PROBE)
    return {
        "steer/_probes.html": {"here": "steer", "carried": ""},
        "steer/_problem.html": {"problem": live_problem(no_worker()), "form": "steer"},
        "steer/_form.html": {"page": steer_page(STATE)},
        "steer/_written.html": {"written": written, "permalink": None},
        "steer/_next.html": {"next": written.next},
        "steer/_probe_form.html": {"page": probe, "action": "effects"},
        "steer/_places.html": {"places": table.places},
        "steer/_effects.html": {"table": table},
        "steer/_logits.html": {"table": logits_table(attribution(harvested, tokens), PROBE)},
    }
