"""The pool of control contexts, the same for every feature, with one bit a feature: fired or silent."""

from typing import Self

import numpy as np
from jaxtyping import Int64, UInt64

from worker.harvest.compiled import compiled
from worker.harvest.firings import Firings
from worker.harvest.threads import Threads

_FEATURES_AT_ONCE = 4096


class ControlPool:
    """Which features fire in which contexts of a fixed pool. pool_ids: ascending context ids."""

    def __init__(self, d_sae: int, pool_ids: Int64[np.ndarray, " pool"]) -> None:
        self._pool_ids = pool_ids
        self._fired = np.zeros((d_sae, (len(pool_ids) + 63) // 64), np.uint64)

    def update(self, firings: Firings, threads: Threads) -> None:
        """Add a batch."""
        if len(self._pool_ids) == 0:
            return
        context_ids = firings.batch.context_ids
        slots = np.searchsorted(self._pool_ids, context_ids)
        inside = self._pool_ids[np.minimum(slots, len(self._pool_ids) - 1)] == context_ids
        if not inside.any():
            return
        slots = np.where(inside, slots, -1)

        def add(_: int, start: int, stop: int) -> None:
            _add(firings.segment_offsets, firings.segment_rows, slots, start, stop, self._fired)

        threads.over(firings.d_sae, add)

    def merge(self, other: Self) -> None:
        """Add what another reducer saw."""
        self._fired |= other._fired

    def arrays(self) -> dict[str, np.ndarray]:
        """State to be saved."""
        return {"fired": self._fired}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], pool_ids: Int64[np.ndarray, " pool"]) -> Self:
        """A reducer from its saved state."""
        reducer = cls(0, pool_ids)
        reducer._fired = arrays["fired"]
        return reducer

    def for_pool(self, pool_ids: Int64[np.ndarray, " pool"]) -> Self:
        """The same bits for another pool; a context that is not in this one's is silent so far.

        Right where the other pool has no context that this reducer went through and left out of its own.
        """
        kept = type(self)(len(self._fired), pool_ids)
        slots = np.searchsorted(self._pool_ids, pool_ids)
        known = np.append(self._pool_ids, -1)[slots] == pool_ids
        for start in range(0, len(self._fired), _FEATURES_AT_ONCE):
            block = slice(start, start + _FEATURES_AT_ONCE)
            bits = np.unpackbits(self._fired[block].view(np.uint8), axis=1, bitorder="little")
            moved = np.zeros((len(bits), kept._fired.shape[1] * 64), np.uint8)
            moved[:, np.flatnonzero(known)] = bits[:, slots[known]]
            kept._fired[block] = np.packbits(moved, axis=1, bitorder="little").view(np.uint64)
        return kept

    def result(self) -> UInt64[np.ndarray, "d_sae word"]:
        """Bit s % 64 of word s // 64 is set where the feature fires in context pool_ids[s]."""
        return self._fired


@compiled
def _add(segment_offsets, segment_rows, slots, start, stop, fired):
    for feature in range(start, stop):
        for segment in range(segment_offsets[feature], segment_offsets[feature + 1]):
            slot = slots[segment_rows[segment]]
            if slot >= 0:
                fired[feature, slot >> 6] |= np.uint64(1) << np.uint64(slot & 63)
