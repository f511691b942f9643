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
        self._d_sae = d_sae
        self._counts = np.zeros((d_sae, N_BINS), np.uint32)
        self._sparse: tuple[np.ndarray, np.ndarray] | None = None
        self._edges, self._steps = bin_edges(), bin_within_doubling()

    def update(self, firings: Firings, threads: Threads) -> None:
        """Add a batch."""

        def add(_: int, start: int, stop: int) -> None:
            _add(firings.offsets, firings.activations, start, stop, self._edges, self._steps, self._counts)

        threads.over(firings.d_sae, add)

    def merge(self, other: Self) -> None:
        """Add what another reducer saw."""
        mine, theirs = self._filled(), other._filled()
        most = len(mine[0]) + len(theirs[0])
        places, counts = np.empty(most, np.int64), np.empty(most, np.int64)
        n = _merge(*mine, *theirs, places, counts)
        self._sparse = (places[:n].copy(), counts[:n].copy())

    def arrays(self) -> dict[str, np.ndarray]:
        """State to be saved, sparse."""
        places, counts = self._filled()
        return {"shape": np.array([self._d_sae, N_BINS]), "filled": places, "counts": counts}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        """A reducer from its saved state; it can be merged, not updated further."""
        reducer = cls(0)
        reducer._d_sae = int(arrays["shape"][0])
        reducer._sparse = (arrays["filled"], arrays["counts"].astype(np.int64))
        return reducer

    def result(
        self,
    ) -> tuple[Int64[np.ndarray, " features_and_one"], Int64[np.ndarray, " filled"], Int64[np.ndarray, " filled"]]:
        """Offsets by feature, bins ascending in each, and their counts."""
        places, counts = self._filled()
        features, bins = np.divmod(places, N_BINS)
        offsets = np.searchsorted(features, np.arange(self._d_sae + 1))
        return offsets.astype(np.int64), bins, counts

    def _filled(self) -> tuple[Int64[np.ndarray, " filled"], Int64[np.ndarray, " filled"]]:
        """Bins that are not empty, numbered over all features and ascending, and their counts."""
        if self._sparse is not None:
            return self._sparse
        flat = self._counts.reshape(-1)
        places = np.flatnonzero(flat)
        return places, flat[places].astype(np.int64)


@compiled
def _merge(my_places, my_counts, their_places, their_counts, places, counts):
    """Both by place, ascending; returns how many there are."""
    i, j, n = 0, 0, 0
    while i < len(my_places) or j < len(their_places):
        takes_mine = j == len(their_places) or (i < len(my_places) and my_places[i] <= their_places[j])
        takes_theirs = i == len(my_places) or (j < len(their_places) and their_places[j] <= my_places[i])
        places[n] = my_places[i] if takes_mine else their_places[j]
        counts[n] = (my_counts[i] if takes_mine else 0) + (their_counts[j] if takes_theirs else 0)
        i += takes_mine
        j += takes_theirs
        n += 1
    return n


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
