"""Rows through one model together, no further than the deepest hook they need, and through their dictionaries."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from worker.live.ask import RowFired, RowFirings
from worker.live.dictionary import LiveDictionary
from worker.live.encode import Fired
from worker.live.rows import Row

PADDING = 0


def run_rows(rows: Sequence[Row]) -> list[RowFirings]:
    """What each row's dictionaries make of it, in the order of rows. All are of one model."""
    model = rows[0].model
    assert all(row.model is model for row in rows)
    width = max(len(row.token_ids) for row in rows)
    token_ids = np.full((len(rows), width), PADDING, dtype=np.int64)
    for place, row in enumerate(rows):
        token_ids[place, : len(row.token_ids)] = row.token_ids
    readers = {each.hash: each for row in rows for each in row.dictionaries}
    hooks = tuple(dict.fromkeys(each.hook_name for each in readers.values()))
    acts = model.activations(torch.from_numpy(token_ids), hooks)
    found: list[dict[str, RowFired]] = [{} for _ in rows]
    for each in readers.values():
        for place, fired in _read(each, rows, acts[each.hook_name]):
            found[place][each.hash] = fired
    return list(found)


def is_out_of_memory(error: Exception) -> bool:
    """Whether the device, or this machine, had no room."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError)


def _read(
    dictionary: LiveDictionary, rows: Sequence[Row], acts: Float[Tensor, "context token d_in"]
) -> list[tuple[int, RowFired]]:
    """What the dictionary makes of the rows that ask for it: one product for all, cut apart again."""
    mine = [place for place, row in enumerate(rows) if dictionary in row.dictionaries]
    kept = [np.flatnonzero(dictionary.kept(rows[place].token_ids)) for place in mine]
    flat = np.concatenate([place * acts.shape[1] + at for place, at in zip(mine, kept, strict=True)])
    chosen = acts.reshape(-1, acts.shape[-1]).index_select(0, torch.from_numpy(flat).to(acts.device))
    features = {rows[place].margins_of for place in mine}
    with_margins = {each: dictionary.encoder.fire(chosen, margins_of=each) for each in features}
    ends = np.cumsum([len(at) for at in kept])
    found = []
    for place, at, end in zip(mine, kept, ends.tolist(), strict=True):
        feature = rows[place].margins_of
        part = _part(with_margins[feature], end - len(at), end, with_margins=feature is not None)
        found.append((place, RowFired(at, part)))
    return found


def _part(fired: Fired, start: int, stop: int, *, with_margins: bool) -> Fired:
    """The tokens from start to stop."""
    first = int(fired.ends[start - 1]) if start else 0
    ends = fired.ends[start:stop] - first
    firings = slice(first, first + (int(ends[-1]) if len(ends) else 0))
    tokens = slice(start, stop if with_margins else start)
    return Fired(ends, fired.features[firings], fired.activations[firings], fired.pre_acts[tokens], fired.bars[tokens])
