"""What one dictionary makes of one text, put together from the rows the text was cut into."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64

from worker.live.ask import RowFired, RowFirings
from worker.live.dictionary import LiveDictionary
from worker.live.request import LiveRequest
from worker.live.rows import Row


@dataclass(frozen=True, slots=True, eq=False)
class TextFired:
    """text: its place in the request. dictionary: a hash. token_ids: of all contexts one behind the other, with BOS.

    context_starts: where in token_ids each context begins. positions: places in token_ids, ascending; of one place
    the features ascend. pre_acts, bars: at every token, of the feature whose margins were asked for, NaN at tokens
    that are left out; empty where none was.
    """

    text: int
    dictionary: str
    token_ids: Int32[np.ndarray, " token"]
    context_starts: Int32[np.ndarray, " context"]
    positions: Int32[np.ndarray, " firing"]
    features: Int32[np.ndarray, " firing"]
    activations: Float32[np.ndarray, " firing"]
    pre_acts: Float32[np.ndarray, " asked"]
    bars: Float32[np.ndarray, " asked"]


@dataclass(frozen=True, slots=True, eq=False)
class _Context:
    """A row and what fired in it. start: where it stands among the tokens of its text."""

    start: int
    token_ids: Int64[np.ndarray, " token"]
    found: RowFired


def joined(
    request: LiveRequest, dictionaries: Sequence[LiveDictionary], rows: Sequence[Row], found: Sequence[RowFirings]
) -> list[TextFired]:
    """Every text of the request with every dictionary. found: beside rows."""
    n_texts = len(request.texts) or len(request.token_ids)
    return [
        _joined(request, (text, each.hash), _contexts_of(text, each, rows, found))
        for text in range(n_texts)
        for each in dictionaries
    ]


def _contexts_of(
    text: int, dictionary: LiveDictionary, rows: Sequence[Row], found: Sequence[RowFirings]
) -> list[_Context]:
    contexts, start = [], 0
    for row, firings in zip(rows, found, strict=True):
        if row.text == text and dictionary in row.dictionaries:
            contexts.append(_Context(start, row.token_ids, firings[dictionary.hash]))
            start += len(row.token_ids)
    return contexts


def _joined(request: LiveRequest, name: tuple[int, str], contexts: Sequence[_Context]) -> TextFired:
    token_ids = np.concatenate([np.empty(0, np.int64), *(each.token_ids for each in contexts)])
    features = np.concatenate([np.empty(0, np.int32), *(each.found.fired.features for each in contexts)])
    activations = np.concatenate([np.empty(0, np.float32), *(each.found.fired.activations for each in contexts)])
    positions = np.concatenate([np.empty(0, np.int64), *map(_positions, contexts)])
    chosen = slice(None) if request.only is None else np.isin(features, np.array(request.only, dtype=np.int64))
    pre_acts, bars = _margins(contexts, 0 if request.margins_of is None else len(token_ids))
    return TextFired(
        text=name[0],
        dictionary=name[1],
        token_ids=token_ids.astype(np.int32),
        context_starts=np.array([each.start for each in contexts], dtype=np.int32),
        positions=positions[chosen].astype(np.int32),
        features=features[chosen],
        activations=activations[chosen],
        pre_acts=pre_acts,
        bars=bars,
    )


def _positions(context: _Context) -> Int64[np.ndarray, " firing"]:
    """Where each firing stands in the text."""
    found = context.found
    return context.start + np.repeat(found.positions, np.diff(found.fired.ends, prepend=0))


def _margins(contexts: Sequence[_Context], n_tokens: int) -> tuple[np.ndarray, np.ndarray]:
    pre_acts, bars = (np.full(n_tokens, np.nan, np.float32) for _ in range(2))
    for each in contexts if n_tokens else ():
        places = each.start + each.found.positions
        pre_acts[places], bars[places] = each.found.fired.pre_acts, each.found.fired.bars
    return pre_acts, bars
