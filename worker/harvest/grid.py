"""The grid of activation bins, the same as the catalog's, with a fast way to a bin.

Bins are log-spaced, sixteen to a doubling (4.4 % wide), from 2**-24 to 2**24; what lies outside is
counted in the first or the last bin. A test holds this grid and the catalog's together.
"""

import numpy as np
from jaxtyping import Float64, UInt8

BINS_PER_DOUBLING = 16
LOWEST_EXPONENT = -24
HIGHEST_EXPONENT = 24
N_BINS = (HIGHEST_EXPONENT - LOWEST_EXPONENT) * BINS_PER_DOUBLING


def bin_edges() -> Float64[np.ndarray, " edge"]:
    """The N_BINS + 1 edges, ascending; bin i holds edges[i] <= activation < edges[i + 1]."""
    return 2.0 ** (LOWEST_EXPONENT + np.arange(N_BINS + 1) / BINS_PER_DOUBLING)


def bin_within_doubling() -> UInt8[np.ndarray, " mantissa"]:
    """For the first 8 bits of a float's mantissa, the bin of a doubling that their least value is in.

    A bin is wider than such a step, so a value's own bin is this one or the next.
    """
    least = 1 + np.arange(256) / 256
    edges = 2.0 ** (np.arange(1, BINS_PER_DOUBLING) / BINS_PER_DOUBLING)
    return np.searchsorted(edges, least, side="right").astype(np.uint8)
