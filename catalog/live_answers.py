"""What the worker's live door answers to the app, as bytes: a line of JSON and flat arrays behind it.

Firings are many and small, so they travel as arrays and not as text.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.errors import CorruptRow

_FIELDS = (
    ("token_ids", np.int32),
    ("context_starts", np.int32),
    ("positions", np.int32),
    ("features", np.int32),
    ("activations", np.float32),
    ("pre_acts", np.float32),
    ("bars", np.float32),
)


@dataclass(frozen=True, slots=True, eq=False)
class LiveFirings:
    """What one dictionary makes of one text.

    text: which of the texts asked for. dictionary: its hash. token_ids: of all contexts one behind the other, BOS
    included. context_starts: the place in token_ids at which each context begins. positions: places in token_ids.
    Firings are sorted by position, then feature.
    pre_acts, bars: of the one feature whose margins were asked for, at every token, else empty; the feature fires
    where pre_acts is above bars. NaN at tokens that are left out, as special ones are.
    """

    text: int
    dictionary: str
    token_ids: NDArray[np.int32]
    context_starts: NDArray[np.int32]
    positions: NDArray[np.int32]
    features: NDArray[np.int32]
    activations: NDArray[np.float32]
    pre_acts: NDArray[np.float32]
    bars: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class LiveAnswer:
    """Everything asked for. facts: plain JSON values on where and how it was worked out."""

    results: tuple[LiveFirings, ...]
    facts: Mapping[str, Any]


def write_live_answer(answer: LiveAnswer) -> bytes:
    """The answer as bytes; `read_live_answer` reads it back."""
    arrays = [[getattr(each, name) for name, _ in _FIELDS] for each in answer.results]
    head = {
        "facts": dict(answer.facts),
        "results": [[each.text, each.dictionary] for each in answer.results],
        "lengths": [[len(array) for array in row] for row in arrays],
    }
    parts = [
        np.asarray(array, dtype=np.dtype(kind).newbyteorder("<")).tobytes()
        for row in arrays
        for array, (_, kind) in zip(row, _FIELDS, strict=True)
    ]
    return b"".join([json.dumps(head).encode(), b"\n", *parts])


def read_live_answer(data: bytes) -> LiveAnswer:
    """Raises CorruptRow where the bytes are cut short or are something else."""
    line, _, rest = data.partition(b"\n")
    try:
        head = json.loads(line)
        lengths: Sequence[Sequence[int]] = head["lengths"]
        names: Sequence[tuple[int, str]] = head["results"]
        arrays = _arrays(memoryview(rest), lengths)
        results = tuple(
            LiveFirings(text, dictionary, *row) for (text, dictionary), row in zip(names, arrays, strict=True)
        )
        return LiveAnswer(results, head["facts"])
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptRow(f"The worker's live answer of {len(data):,} bytes cannot be read: {error}.") from error


def _arrays(data: memoryview, lengths: Sequence[Sequence[int]]) -> list[list[NDArray[Any]]]:
    rows, offset = [], 0
    for sizes in lengths:
        row = []
        for size, (_, kind) in zip(sizes, _FIELDS, strict=True):
            stored = np.dtype(kind).newbyteorder("<")
            row.append(np.frombuffer(data, stored, count=size, offset=offset).astype(kind, copy=False))
            offset += size * stored.itemsize
        rows.append(row)
    return rows
