"""How surprising an activation is: minus log10 of the share of corpus tokens with at least as great a one."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from catalog.grid import bin_of

Histogram = tuple[NDArray[np.int64], NDArray[np.int64]]


def surprises(
    activations: NDArray[np.floating],
    features: NDArray[np.int64],
    histograms: Mapping[int, Histogram],
    *,
    tokens: int,
) -> NDArray[np.float64]:
    """One number for each activation of the feature beside it, from the histogram of that feature in a harvest.

    tokens: how many the harvest went through. All of the activation's own bin, which is less than 5 % wide, counts as
    at least as great. An activation above all that were seen is as surprising as one seen once. NaN where the harvest
    has no histogram of the feature.
    """
    bins = bin_of(activations)
    counts = [
        _at_least(histograms[feature], place) if feature in histograms else np.nan
        for feature, place in zip(features.tolist(), bins.tolist(), strict=True)
    ]
    return np.log10(max(1, tokens)) - np.log10(np.maximum(np.array(counts, dtype=np.float64), 1.0))


def _at_least(histogram: Histogram, place: int) -> int:
    """Firing tokens of the bins from `place` on."""
    bins, counts = histogram
    return int(counts[np.searchsorted(bins, place) :].sum())
