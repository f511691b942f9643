"""The one grid of activation bins that every harvest shares, so that histograms merge and compare.

Bins are log-spaced, sixteen to a doubling (4.4 % wide), from 2**-24 to 2**24; what lies outside is
counted in the first or the last bin.
"""

import numpy as np
from numpy.typing import NDArray

BINS_PER_DOUBLING = 16
LOWEST_EXPONENT = -24
HIGHEST_EXPONENT = 24
N_BINS = (HIGHEST_EXPONENT - LOWEST_EXPONENT) * BINS_PER_DOUBLING


def bin_edges() -> NDArray[np.float64]:
    """The N_BINS + 1 edges, ascending; bin i holds edges[i] <= activation < edges[i + 1]."""
    return 2.0 ** (LOWEST_EXPONENT + np.arange(N_BINS + 1) / BINS_PER_DOUBLING)


def bin_of(activations: NDArray[np.floating]) -> NDArray[np.int64]:
    """Bin index of each positive activation, clipped to the grid."""
    return np.clip(np.searchsorted(bin_edges(), activations, side="right") - 1, 0, N_BINS - 1)
