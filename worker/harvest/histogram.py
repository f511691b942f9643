"""The histogram of each feature's firing activations, on the fixed grid: exact."""

from typing import Self

import numpy as np
from jaxtyping import Int64

from worker.harvest.compiled import compiled
from worker.harvest.firings import Firings
from worker.harvest.grid import (
    BINS_PER_DOUBLING,
    HIGHEST_EXPONENT,
    LOWEST_EXPONENT,
    N_BINS,
    bin_edges,
    bin_within_doubling,
)
from worker.harvest.threads import Threads


class ActivationHistogram:
    """Firing tokens of each feature in each bin of `worker.harvest.grid`."""

    def __init__(self, d_sae: int) -> None:
        self._counts = np.zeros((d_sae, N_BINS), np.uint32)
        self._edges, self._steps = bin_edges(), bin_within_doubling()

    def update(self, firings: Firings, threads: Threads) -> None:
        """Add a batch."""

        def add(_: int, start: int, stop: int) -> None:
            _add(firings.offsets, firings.activations, start, stop, self._edges, self._steps, self._counts)

        threads.over(firings.d_sae, add)

    def merge(self, other: Self) -> None:
        """Add what another reducer saw."""
        if self._counts.dtype != np.int64:
            self._counts = self._counts.astype(np.int64)
        self._counts += other._counts

    def arrays(self) -> dict[str, np.ndarray]:
        """State to be saved, sparse."""
        flat = self._counts.reshape(-1)
        filled = np.flatnonzero(flat)
        return {"shape": np.array(self._counts.shape), "filled": filled, "counts": flat[filled]}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        """A reducer from its saved state."""
        reducer = cls(int(arrays["shape"][0]))
        reducer._counts.reshape(-1)[arrays["filled"]] = arrays["counts"]
        return reducer

    def result(
        self,
    ) -> tuple[Int64[np.ndarray, " features_and_one"], Int64[np.ndarray, " filled"], Int64[np.ndarray, " filled"]]:
        """Offsets by feature, bins ascending in each, and their counts."""
        features, bins = np.nonzero(self._counts)
        offsets = np.searchsorted(features, np.arange(len(self._counts) + 1))
        return offsets.astype(np.int64), bins.astype(np.int64), self._counts[features, bins].astype(np.int64)


@compiled
def _add(offsets, activations, start, stop, edges, steps, counts):
    for feature in range(start, stop):
        for i in range(offsets[feature], offsets[feature + 1]):
            bits = np.float32(activations[i]).view(np.uint32)
            exponent = np.int64(bits >> 23) - 127
            if exponent < LOWEST_EXPONENT:
                place = 0
            elif exponent >= HIGHEST_EXPONENT:
                place = N_BINS - 1
            else:
                step = np.int64(steps[(bits >> 15) & 255])
                place = (exponent - LOWEST_EXPONENT) * BINS_PER_DOUBLING + step
                place += np.float64(activations[i]) >= edges[place + 1]
            counts[feature, place] += 1
