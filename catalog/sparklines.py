"""Activation histograms small enough for a list: 24 bytes each."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SLICES = 24
_TALLEST = 255


def sparklines(histograms: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> list[bytes]:
    """One byte a slice for each histogram of (bins, counts), bins ascending.

    The slices are equal parts of log activation between the smallest and the largest bin seen; their
    counts are scaled to 0..255 by the logarithm, so that a single firing is visible. Never fired: no bytes.
    """
    if not histograms:
        return []
    sizes = np.array([len(bins) for bins, _ in histograms])
    row = np.repeat(np.arange(len(sizes)), sizes)
    bins = np.concatenate([bins for bins, _ in histograms])
    counts = np.concatenate([counts for _, counts in histograms])
    fired = np.flatnonzero(sizes)
    starts = (np.cumsum(sizes) - sizes)[fired]
    lowest, highest = np.zeros(len(sizes), dtype=np.int64), np.zeros(len(sizes), dtype=np.int64)
    if len(fired):
        lowest[fired], highest[fired] = np.minimum.reduceat(bins, starts), np.maximum.reduceat(bins, starts)
    place = (bins - lowest[row]) * SLICES // (highest - lowest + 1)[row]
    heights = np.zeros((len(sizes), SLICES))
    np.add.at(heights, (row, place), counts)
    tall = np.log1p(heights)
    scaled = np.rint(_TALLEST * tall / np.maximum(tall.max(axis=1, keepdims=True), 1e-9)).astype(np.uint8)
    return [scaled[i].tobytes() if sizes[i] else b"" for i in range(len(sizes))]
