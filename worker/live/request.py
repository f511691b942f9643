"""What the door can be asked, read from JSON that may be anything."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from worker.live.errors import LiveError, too_much
from worker.live.limits import LiveLimits

Mode = Literal["cut", "whole"]
KEYS = frozenset({"texts", "token_ids", "dictionaries", "mode", "only", "margins_of"})


@dataclass(frozen=True, slots=True)
class LiveRequest:
    """texts, or token_ids: whole contexts as they go through the model, BOS included; never both.

    dictionaries: hashes. mode: whether a text longer than n_ctx is cut as the harvest cuts it, or left whole.
    only: features whose firings are answered, all where it is None. margins_of: the feature whose pre-activation and
    bar are answered at every token.
    """

    texts: tuple[str, ...]
    token_ids: tuple[tuple[int, ...], ...]
    dictionaries: tuple[str, ...]
    mode: Mode
    only: tuple[int, ...] | None
    margins_of: int | None


def read_request(body: bytes, limits: LiveLimits) -> LiveRequest:
    """Raises LiveError on anything else than such a request, naming what is wrong, and over a limit."""
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise LiveError(f"The request is no JSON: {error}.", status=400) from error
    if not isinstance(values, Mapping):
        raise LiveError(f"The request is {type(values).__name__}; expected an object with texts and dictionaries.")
    if unknown := sorted(set(values) - KEYS):
        raise LiveError(f"A request has no {', '.join(unknown)}; it has {', '.join(sorted(KEYS))}.")
    texts = _list(values, "texts", str)
    rows = tuple(_ids(row) for row in _list(values, "token_ids", list))
    if bool(texts) == bool(rows):
        raise LiveError("A request has either texts or token_ids, at least one of them; this one has both or neither.")
    if len(texts) + len(rows) > limits.texts:
        n = len(texts) + len(rows)
        raise too_much("texts", value=n, limit=limits.texts, setting="FEATURESCOPE_LIVE_MAX_TEXTS")
    return LiveRequest(
        texts=texts,
        token_ids=rows,
        dictionaries=_dictionaries(values),
        mode=_mode(values),
        only=None if values.get("only") is None else _list(values, "only", int),
        margins_of=_margins_of(values),
    )


def _dictionaries(values: Mapping[str, Any]) -> tuple[str, ...]:
    named = tuple(dict.fromkeys(_list(values, "dictionaries", str)))
    if not named:
        raise LiveError("dictionaries is empty; name at least one, by its hash.")
    return named


def _mode(values: Mapping[str, Any]) -> Mode:
    mode = values.get("mode", "cut")
    if mode not in get_args(Mode):
        raise LiveError(f"mode is {mode!r}; it is 'cut', as the harvest cuts a text, or 'whole'.")
    return mode


def _margins_of(values: Mapping[str, Any]) -> int | None:
    feature = values.get("margins_of")
    if feature is not None and not _is(feature, int):
        raise LiveError(f"margins_of is {feature!r}; it is the number of a feature.")
    return feature


def _list(values: Mapping[str, Any], name: str, kind: type) -> tuple[Any, ...]:
    given = values.get(name, [])
    if not isinstance(given, list) or not all(_is(each, kind) for each in given):
        raise LiveError(f"{name} is no list of {kind.__name__}.")
    return tuple(given)


def _ids(row: list[Any]) -> tuple[int, ...]:
    if not all(_is(each, int) and each >= 0 for each in row):
        raise LiveError("token_ids holds something that is no token id; they are whole numbers from 0.")
    return tuple(row)


def _is(value: Any, kind: type) -> bool:
    """True and false are numbers to Python, not to us."""
    return isinstance(value, kind) and not isinstance(value, bool)
