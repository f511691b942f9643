"""The contexts with the greatest peak of each feature, with all its activations in them: exact."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from jaxtyping import Int64, UInt64

from worker.harvest.compiled import compiled, inlined
from worker.harvest.edges import SharedDocument
from worker.harvest.firing_rows import KeptRows, RowStore, join_parts, merge_ranked, offsets_of
from worker.harvest.firings import Firings
from worker.harvest.threads import Threads


class TopContexts:
    """Keeps n_top contexts of each feature by (peak, lower context id), at most one a document if asked.

    Each feature has an entry bar, the least peak it keeps, so that most contexts are turned away by
    one comparison. What two reducers that are merged share of a document is told to `merge`.
    """

    def __init__(self, ranges: Sequence[tuple[int, int]], n_top: int, *, one_per_document: bool) -> None:
        self._n_top, self._one_per_document = n_top, one_per_document
        self._parts = [_Part(start, stop, n_top) for start, stop in ranges]
        self._rows: KeptRows | None = None

    def update(self, firings: Firings, threads: Threads) -> None:
        """Add a batch."""
        threads.over(len(self._parts), lambda _, a, b: [self._add(part, firings) for part in self._parts[a:b]])

    def merge(self, other: Self, *, shared: SharedDocument | None = None) -> None:
        """Keep the best of both. shared: a document of which each may have kept a context."""
        mine, theirs = self.result(), other.result()
        if shared is not None and self._one_per_document:
            mine, theirs = _without_twice(mine, theirs, shared)
        self._rows = merge_ranked(mine, theirs, (_peak_ranks(mine), _peak_ranks(theirs)), n=self._n_top)

    def arrays(self) -> dict[str, np.ndarray]:
        """State to be saved."""
        return self.result().arrays()

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], n_top: int, *, one_per_document: bool) -> Self:
        """A reducer from its saved state; it can be merged, not updated further."""
        reducer = cls([], n_top, one_per_document=one_per_document)
        reducer._rows = KeptRows(**arrays)
        return reducer

    def result(self) -> KeptRows:
        """The contexts kept so far, best first."""
        return self._rows if self._rows is not None else join_parts([part.export() for part in self._parts])

    def _add(self, part: "_Part", firings: Firings) -> None:
        batch, store = firings.batch, part.store
        feature = part.start
        while True:
            feature = _add(
                (feature, part.start, part.stop, self._one_per_document),
                (firings.offsets, firings.tokens, firings.activations, batch.positions),
                (firings.segment_offsets, firings.segment_starts, firings.segment_rows, firings.segment_peaks),
                (batch.context_ids, batch.document_ids),
                (part.peaks, part.contexts, part.documents, part.worst, part.n_kept),
                (store.starts, store.lengths, store.used, store.positions, store.activations),
            )
            if feature == part.stop:
                return
            store.make_room(part.n_kept, int(firings.offsets[feature + 1] - firings.offsets[feature]))


class _Part:
    def __init__(self, start: int, stop: int, n_top: int) -> None:
        n = stop - start
        self.start, self.stop = start, stop
        self.peaks = np.zeros((n, n_top), np.float32)
        self.contexts, self.documents = np.zeros((n, n_top), np.int64), np.zeros((n, n_top), np.int64)
        self.worst, self.n_kept = np.zeros(n, np.int32), np.zeros(n, np.int32)
        self.store = RowStore(n, n_top)

    def export(self) -> KeptRows:
        """Rows of these features, best first."""
        empty = np.arange(self.peaks.shape[1]) >= self.n_kept[:, None]
        order = np.lexsort((self.contexts, -self.peaks, empty), axis=1)
        return exported(self.store, order, self.n_kept, self.contexts)


def exported(
    store: RowStore, order: Int64[np.ndarray, "feature place"], n_kept: np.ndarray, contexts: np.ndarray
) -> KeptRows:
    """Kept rows of one thread's features in the given order of places; empty places come last."""
    lengths, positions, activations = store.export(order, n_kept)
    kept = np.arange(order.shape[1]) < n_kept[:, None]
    context_ids = np.take_along_axis(contexts, order, axis=1)[kept]
    return KeptRows(offsets_of(n_kept), context_ids, offsets_of(lengths), positions, activations)


def _peak_ranks(rows: KeptRows) -> UInt64[np.ndarray, " row"]:
    """Greater peaks have smaller ranks; the bits of positive floats are in their order."""
    return np.uint64(2**32) - rows.peaks().view(np.uint32).astype(np.uint64)


def _without_twice(mine: KeptRows, theirs: KeptRows, shared: SharedDocument) -> tuple[KeptRows, KeptRows]:
    """Both, without the worse context of each feature that has one of the shared document on either side."""
    my_rows = np.flatnonzero(mine.context_ids >= shared.start)
    their_rows = np.flatnonzero(theirs.context_ids < shared.stop)
    my_features, their_features = mine.features(my_rows), theirs.features(their_rows)
    _, i, j = np.intersect1d(my_features, their_features, assume_unique=True, return_indices=True)
    mine_stays = mine.peaks()[my_rows[i]] >= theirs.peaks()[their_rows[j]]
    return mine.without(my_rows[i[~mine_stays]]), theirs.without(their_rows[j[mine_stays]])


@compiled
def _add(span, firings, segments, batch, kept, store):
    first, base, stop, one_per_document = span
    offsets = firings[0]
    segment_offsets, segment_starts, segment_rows, segment_peaks = segments
    context_ids, document_ids = batch
    peaks, contexts, documents, worst, n_kept = kept
    for feature in range(first, stop):
        if store[2][0] + offsets[feature + 1] - offsets[feature] > len(store[3]):
            return feature
        local = feature - base
        for segment in range(segment_offsets[feature], segment_offsets[feature + 1]):
            peak, row = segment_peaks[segment], segment_rows[segment]
            full = n_kept[local] == peaks.shape[1]
            if full and peak < peaks[local, worst[local]]:
                continue
            place = _place_for(local, peak, context_ids[row], document_ids[row], one_per_document, kept)
            if place < 0:
                continue
            peaks[local, place] = peak
            contexts[local, place] = context_ids[row]
            documents[local, place] = document_ids[row]
            store_row(local, place, segment_starts[segment], segment_starts[segment + 1], firings, store)
            worst[local] = _worst(local, peaks, contexts, n_kept[local])
    return stop


@compiled
def _place_for(local, peak, context, document, one_per_document, kept):
    """Place the context takes, or -1 where it does not enter."""
    peaks, contexts, documents, worst, n_kept = kept
    if one_per_document:
        for place in range(n_kept[local]):
            if documents[local, place] == document:
                return place if _better(peak, context, peaks[local, place], contexts[local, place]) else -1
    if n_kept[local] < peaks.shape[1]:
        n_kept[local] += 1
        return n_kept[local] - 1
    place = worst[local]
    return place if _better(peak, context, peaks[local, place], contexts[local, place]) else -1


@inlined
def _better(peak, context, other_peak, other_context):
    return peak > other_peak or (peak == other_peak and context < other_context)


@compiled
def _worst(local, peaks, contexts, n):
    worst = 0
    for place in range(1, n):
        if _better(peaks[local, worst], contexts[local, worst], peaks[local, place], contexts[local, place]):
            worst = place
    return worst


@compiled
def store_row(local, place, first, last, firings, store):
    """Append the firings first to last as the row of a feature's place; there has to be room."""
    _, tokens, activations, positions = firings
    starts, lengths, used, positions_out, activations_out = store
    starts[local, place] = used[0]
    lengths[local, place] = last - first
    for i in range(first, last):
        positions_out[used[0]] = positions[tokens[i]]
        activations_out[used[0]] = activations[i]
        used[0] += 1
