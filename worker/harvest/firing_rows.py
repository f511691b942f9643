"""Room for the sparse rows (positions and activations) of contexts that a reducer keeps.

Rows are appended to one long array a thread; when it is full, those that are no longer kept are
squeezed out. Kernels are told where a row goes; a feature is begun only where all it may add fits.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from jaxtyping import Float32, Int32, Int64, UInt16, UInt64
from numpy.typing import NDArray

from worker.harvest.compiled import compiled

LONGEST_CONTEXT = 65_536
_FIRST_ROOM = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class KeptRows:
    """Kept contexts of every feature: feature f has rows offsets[f]:offsets[f + 1].

    Row r is of context context_ids[r] and fires at
    positions[firing_offsets[r]:firing_offsets[r + 1]].
    """

    offsets: Int64[np.ndarray, " features_and_one"]
    context_ids: Int64[np.ndarray, " row"]
    firing_offsets: Int64[np.ndarray, " rows_and_one"]
    positions: UInt16[np.ndarray, " firing"]
    activations: Float32[np.ndarray, " firing"]

    def arrays(self) -> dict[str, np.ndarray]:
        """The fields by name."""
        names = ("offsets", "context_ids", "firing_offsets", "positions", "activations")
        return {name: getattr(self, name) for name in names}

    def select(self, rows: Int64[np.ndarray, " chosen"], offsets: Int64[np.ndarray, " features_and_one"]) -> Self:
        """Only the given rows, in the given order; offsets: where each feature's begin among them."""
        firing_offsets = offsets_of(np.diff(self.firing_offsets)[rows])
        positions = np.empty(firing_offsets[-1], np.uint16)
        activations = np.empty(firing_offsets[-1], np.float32)
        _gather(self.firing_offsets, self.positions, self.activations, rows, firing_offsets, positions, activations)
        return type(self)(offsets, self.context_ids[rows], firing_offsets, positions, activations)

    def features(self, rows: Int64[np.ndarray, " chosen"]) -> Int64[np.ndarray, " chosen"]:
        """The feature that each of some rows belongs to."""
        return np.searchsorted(self.offsets, rows, side="right") - 1

    def without(self, rows: Int64[np.ndarray, " left_out"]) -> Self:
        """All rows but those given."""
        if len(rows) == 0:
            return self
        stays = np.ones(len(self.context_ids), np.bool_)
        stays[rows] = False
        return self.select(np.flatnonzero(stays), offsets_of(stays)[self.offsets])

    def peaks(self) -> Float32[np.ndarray, " row"]:
        """Greatest activation of each row; a row always has one."""
        if len(self.context_ids) == 0:
            return np.empty(0, np.float32)
        return np.maximum.reduceat(self.activations, self.firing_offsets[:-1])


def join_parts(parts: list[KeptRows]) -> KeptRows:
    """Rows of disjoint ranges of features, range after range."""
    counts = np.concatenate([np.diff(part.offsets) for part in parts])
    return replace(_concatenated(parts), offsets=offsets_of(counts))


def merge_ranked(
    mine: KeptRows,
    theirs: KeptRows,
    ranks: tuple[UInt64[np.ndarray, " mine"], UInt64[np.ndarray, " theirs"]],
    *,
    n: int,
) -> KeptRows:
    """The n first rows of each feature of both, by (rank, context id); each comes in that order."""
    counts = np.minimum(np.diff(mine.offsets) + np.diff(theirs.offsets), n)
    offsets = offsets_of(counts)
    chosen = np.empty(offsets[-1], np.int64)
    sides = (mine.offsets, mine.context_ids, ranks[0]), (theirs.offsets, theirs.context_ids, ranks[1])
    _merge(*sides, offsets, chosen)
    context_ids, lengths = np.empty(len(chosen), np.int64), np.empty(len(chosen), np.int64)
    described = (mine.context_ids, mine.firing_offsets), (theirs.context_ids, theirs.firing_offsets)
    _describe_both(*described, chosen, context_ids, lengths)
    firing_offsets = offsets_of(lengths)
    positions, activations = np.empty(firing_offsets[-1], np.uint16), np.empty(firing_offsets[-1], np.float32)
    stored = [(rows.firing_offsets, rows.positions, rows.activations) for rows in (mine, theirs)]
    _gather_both(*stored, chosen, (firing_offsets, positions, activations))
    return KeptRows(offsets, context_ids, firing_offsets, positions, activations)


def offsets_of(counts: NDArray[np.integer] | NDArray[np.bool_]) -> Int64[np.ndarray, " counts_and_one"]:
    """Where each of several runs of these lengths begins, and the end of the last."""
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def _concatenated(parts: list[KeptRows]) -> KeptRows:
    """Rows of several, one after another; its offsets mean nothing."""
    shifts = np.cumsum([0] + [len(part.positions) for part in parts[:-1]])
    ends = [part.firing_offsets[1:] + shift for part, shift in zip(parts, shifts, strict=True)]
    return KeptRows(
        np.zeros(1, np.int64),
        np.concatenate([part.context_ids for part in parts]),
        np.concatenate([np.zeros(1, np.int64), *ends]),
        np.concatenate([part.positions for part in parts]),
        np.concatenate([part.activations for part in parts]),
    )


class RowStore:
    """Appended rows of the features that one thread owns; slots [feature, place] hold start and length."""

    def __init__(self, n_features: int, n_places: int) -> None:
        self.starts = np.zeros((n_features, n_places), np.int64)
        self.lengths = np.zeros((n_features, n_places), np.int32)
        self.used = np.zeros(1, np.int64)
        self.positions = np.empty(_FIRST_ROOM, np.uint16)
        self.activations = np.empty(_FIRST_ROOM, np.float32)

    def make_room(self, n_kept: Int32[np.ndarray, " feature"], needed: int) -> None:
        """Squeeze out rows no longer kept, and grow where that is not enough."""
        live = _live(n_kept, self.lengths)
        room = max(len(self.positions), 2 * live + needed)
        positions, activations = np.empty(room, np.uint16), np.empty(room, np.float32)
        self.used[0] = _squeeze(
            n_kept, self.starts, self.lengths, self.positions, self.activations, positions, activations
        )
        self.positions, self.activations = positions, activations

    def export(
        self, order: Int64[np.ndarray, "feature place"], n_kept: Int32[np.ndarray, " feature"]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lengths, positions and activations of the kept rows, feature by feature in the given order."""
        total = int(_live(n_kept, self.lengths))
        lengths = np.empty(int(n_kept.sum()), np.int64)
        positions, activations = np.empty(total, np.uint16), np.empty(total, np.float32)
        source = (self.starts, self.lengths, self.positions, self.activations)
        _export(order, n_kept, *source, lengths, positions, activations)
        return lengths, positions, activations


@compiled
def _live(n_kept, lengths):
    total = 0
    for feature in range(len(n_kept)):
        for place in range(n_kept[feature]):
            total += lengths[feature, place]
    return total


@compiled
def _squeeze(n_kept, starts, lengths, positions, activations, positions_out, activations_out):
    end = 0
    for feature in range(len(n_kept)):
        for place in range(n_kept[feature]):
            start, length = starts[feature, place], lengths[feature, place]
            for i in range(length):
                positions_out[end + i] = positions[start + i]
                activations_out[end + i] = activations[start + i]
            starts[feature, place] = end
            end += length
    return end


@compiled
def _export(order, n_kept, starts, lengths, positions, activations, lengths_out, positions_out, activations_out):
    row = 0
    end = 0
    for feature in range(len(n_kept)):
        for rank in range(n_kept[feature]):
            place = order[feature, rank]
            start = starts[feature, place]
            lengths_out[row] = lengths[feature, place]
            for i in range(lengths[feature, place]):
                positions_out[end + i] = positions[start + i]
                activations_out[end + i] = activations[start + i]
            end += lengths[feature, place]
            row += 1


@compiled
def _gather(firing_offsets, positions, activations, rows, offsets_out, positions_out, activations_out):
    for row in range(len(rows)):
        start = firing_offsets[rows[row]]
        out = offsets_out[row]
        for i in range(offsets_out[row + 1] - out):
            positions_out[out + i] = positions[start + i]
            activations_out[out + i] = activations[start + i]


@compiled
def _describe_both(mine, theirs, chosen, contexts_out, lengths_out):
    """Context and firings of each chosen row; rows of theirs are numbered behind those of mine."""
    n_mine = len(mine[0])
    for out in range(len(chosen)):
        contexts, offsets = mine if chosen[out] < n_mine else theirs
        row = chosen[out] if chosen[out] < n_mine else chosen[out] - n_mine
        contexts_out[out] = contexts[row]
        lengths_out[out] = offsets[row + 1] - offsets[row]


@compiled
def _gather_both(mine, theirs, chosen, out):
    offsets_out, positions_out, activations_out = out
    n_mine = len(mine[0]) - 1
    for row_out in range(len(chosen)):
        offsets, positions, activations = mine if chosen[row_out] < n_mine else theirs
        row = chosen[row_out] if chosen[row_out] < n_mine else chosen[row_out] - n_mine
        first, place = offsets[row], offsets_out[row_out]
        for i in range(offsets[row + 1] - first):
            positions_out[place + i] = positions[first + i]
            activations_out[place + i] = activations[first + i]


@compiled
def _merge(mine, theirs, offsets, chosen):
    my_offsets, my_contexts, my_ranks = mine
    their_offsets, their_contexts, their_ranks = theirs
    for feature in range(len(offsets) - 1):
        i, j = my_offsets[feature], their_offsets[feature]
        for out in range(offsets[feature], offsets[feature + 1]):
            take_mine = j == their_offsets[feature + 1]
            if not take_mine and i < my_offsets[feature + 1]:
                take_mine = my_ranks[i] < their_ranks[j] or (
                    my_ranks[i] == their_ranks[j] and my_contexts[i] < their_contexts[j]
                )
            if take_mine:
                chosen[out] = i
                i += 1
            else:
                chosen[out] = len(my_contexts) + j
                j += 1
