"""How often and how strongly each feature fires by position in the context: exact."""

from typing import Self

import numpy as np
from jaxtyping import Float32, Int64

from worker.harvest.compiled import compiled
from worker.harvest.firings import Firings
from worker.harvest.threads import Threads

MOST_BUCKETS = 128
_FRACTION = 2.0**24


def bucket_edges(n_ctx: int) -> Int64[np.ndarray, " buckets_and_one"]:
    """Edges of the buckets of positions: one each up to 128 of them, equally wide beyond."""
    n = min(n_ctx, MOST_BUCKETS)
    return -(-np.arange(n + 1) * n_ctx // n)


class PositionProfile:
    """Firing tokens and summed activation of each feature in each bucket of positions.

    A sum is kept in units of 2**-24 and holds up to 5e11.
    """

    def __init__(self, d_sae: int, n_ctx: int) -> None:
        edges = bucket_edges(n_ctx)
        self._bucket_of = np.searchsorted(edges, np.arange(n_ctx), side="right").astype(np.int64) - 1
        self._fired = np.zeros((d_sae, len(edges) - 1), np.uint32)
        self._sums = np.zeros((d_sae, len(edges) - 1), np.int64)

    def update(self, firings: Firings, threads: Threads) -> None:
        """Add a batch."""
        buckets = self._bucket_of[firings.batch.positions]

        def add(_: int, start: int, stop: int) -> None:
            sparse = (firings.offsets, firings.tokens, firings.activations)
            _add(*sparse, buckets, start, stop, self._fired, self._sums)

        threads.over(firings.d_sae, add)

    def merge(self, other: Self) -> None:
        """Add what another reducer saw."""
        if self._fired.dtype != np.int64:
            self._fired = self._fired.astype(np.int64)
        self._fired += other._fired
        self._sums += other._sums

    def arrays(self) -> dict[str, np.ndarray]:
        """State to be saved."""
        return {"fired": self._fired, "sums": self._sums}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        """A reducer from its saved state; it can be merged, not updated further."""
        reducer = cls(0, arrays["fired"].shape[1])
        reducer._fired, reducer._sums = arrays["fired"], arrays["sums"]
        return reducer

    def result(self) -> tuple[Int64[np.ndarray, "d_sae bucket"], Float32[np.ndarray, "d_sae bucket"]]:
        """Firing tokens and summed activation."""
        return self._fired.astype(np.int64), (self._sums / _FRACTION).astype(np.float32)


@compiled
def _add(offsets, tokens, activations, buckets, start, stop, fired, sums):
    for feature in range(start, stop):
        for i in range(offsets[feature], offsets[feature + 1]):
            bucket = buckets[tokens[i]]
            fired[feature, bucket] += 1
            sums[feature, bucket] += np.int64(np.float64(activations[i]) * 16777216.0)
