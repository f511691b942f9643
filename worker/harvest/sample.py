"""A sample of each feature's firing contexts: those of smallest hash, with their activations."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from jaxtyping import Int64, UInt64

from worker.harvest.compiled import compiled
from worker.harvest.firing_rows import KeptRows, RowStore, join_parts, merge_ranked
from worker.harvest.firings import Firings
from worker.harvest.hashing import SAMPLE_STREAM, keyed, stream_key
from worker.harvest.threads import Threads
from worker.harvest.top_contexts import exported, store_row


class ContextSample:
    """Keeps the n_sample firing contexts of each feature with the smallest hash(seed, feature, context).

    features: the numbers by which features are hashed, in order.

    The greatest hash kept is the bar that a context has to come under: a heap is kept by hash.
    """

    def __init__(
        self, ranges: Sequence[tuple[int, int]], n_sample: int, *, seed: int, features: Int64[np.ndarray, " feature"]
    ) -> None:
        self._n_sample, self._features = n_sample, features
        self._key = stream_key(seed, SAMPLE_STREAM)
        self._parts = [_Part(start, stop, n_sample) for start, stop in ranges]
        self._rows: KeptRows | None = None

    def update(self, firings: Firings, threads: Threads) -> None:
        """Add a batch."""
        threads.over(len(self._parts), lambda _, a, b: [self._add(part, firings) for part in self._parts[a:b]])

    def merge(self, other: Self) -> None:
        """Keep the smallest hashes of both."""
        mine, theirs = self.result(), other.result()
        self._rows = merge_ranked(mine, theirs, (self._hashes(mine), self._hashes(theirs)), n=self._n_sample)

    def arrays(self) -> dict[str, np.ndarray]:
        """State to be saved."""
        return self.result().arrays()

    @classmethod
    def from_arrays(
        cls, arrays: dict[str, np.ndarray], n_sample: int, *, seed: int, features: Int64[np.ndarray, " feature"]
    ) -> Self:
        """A reducer from its saved state; it can be merged, not updated further."""
        reducer = cls([], n_sample, seed=seed, features=features)
        reducer._rows = KeptRows(**arrays)
        return reducer

    def result(self) -> KeptRows:
        """The sample so far, smallest hash first."""
        return self._rows if self._rows is not None else join_parts([part.export() for part in self._parts])

    def _hashes(self, rows: KeptRows) -> UInt64[np.ndarray, " row"]:
        return _row_hashes(self._key, self._features, rows.offsets, rows.context_ids)

    def _add(self, part: "_Part", firings: Firings) -> None:
        batch, store = firings.batch, part.store
        feature = part.start
        while True:
            feature = _add(
                (feature, part.start, part.stop, self._key, self._features),
                (firings.offsets, firings.tokens, firings.activations, batch.positions),
                (firings.segment_offsets, firings.segment_starts, firings.segment_rows),
                batch.context_ids,
                (part.hashes, part.contexts, part.places, part.n_kept),
                (store.starts, store.lengths, store.used, store.positions, store.activations),
            )
            if feature == part.stop:
                return
            store.make_room(part.n_kept, int(firings.offsets[feature + 1] - firings.offsets[feature]))


class _Part:
    """hashes are a heap, greatest first, the greatest number where empty; places are those of row and context."""

    def __init__(self, start: int, stop: int, n_sample: int) -> None:
        n = stop - start
        self.start, self.stop = start, stop
        self.hashes = np.full((n, n_sample), np.iinfo(np.uint64).max)
        self.places = np.zeros((n, n_sample), np.int32)
        self.contexts = np.zeros((n, n_sample), np.int64)
        self.n_kept = np.zeros(n, np.int32)
        self.store = RowStore(n, n_sample)

    def export(self) -> KeptRows:
        """Rows of these features, smallest hash first."""
        by_hash = np.argsort(self.hashes, axis=1)
        order = np.take_along_axis(self.places, by_hash, axis=1).astype(np.int64)
        return exported(self.store, order, self.n_kept, self.contexts)


@compiled
def _row_hashes(key, numbers, offsets, context_ids):
    hashes = np.empty(len(context_ids), np.uint64)
    for feature in range(len(offsets) - 1):
        feature_key = keyed(key, numbers[feature])
        for row in range(offsets[feature], offsets[feature + 1]):
            hashes[row] = keyed(feature_key, context_ids[row])
    return hashes


@compiled
def _add(span, firings, segments, context_ids, kept, store):
    first, base, stop, key, numbers = span
    offsets = firings[0]
    segment_offsets, segment_starts, segment_rows = segments
    hashes, contexts, places, n_kept = kept
    for feature in range(first, stop):
        if store[2][0] + offsets[feature + 1] - offsets[feature] > len(store[3]):
            return feature
        local = feature - base
        feature_key = keyed(key, numbers[feature])
        for segment in range(segment_offsets[feature], segment_offsets[feature + 1]):
            context = context_ids[segment_rows[segment]]
            digest = keyed(feature_key, context)
            n = n_kept[local]
            if n < hashes.shape[1]:
                n_kept[local] = n + 1
                place = np.int32(n)
                _rise(hashes[local], places[local], n, digest, place)
            elif digest < hashes[local, 0]:
                place = places[local, 0]
                _sink(hashes[local], places[local], digest, place)
            else:
                continue
            contexts[local, place] = context
            store_row(local, place, segment_starts[segment], segment_starts[segment + 1], firings, store)
    return stop


@compiled
def _rise(heap, places, i, digest, place):
    """Put a hash into the heap at its new end i."""
    while i > 0 and heap[(i - 1) // 2] < digest:
        heap[i], places[i] = heap[(i - 1) // 2], places[(i - 1) // 2]
        i = (i - 1) // 2
    heap[i], places[i] = digest, place


@compiled
def _sink(heap, places, digest, place):
    """Put a hash in the place of the greatest of a full heap."""
    i = 0
    while 2 * i + 1 < len(heap):
        child = 2 * i + 1
        if child + 1 < len(heap) and heap[child + 1] > heap[child]:
            child += 1
        if heap[child] <= digest:
            break
        heap[i], places[i] = heap[child], places[child]
        i = child
    heap[i], places[i] = digest, place
