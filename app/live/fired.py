"""What fired on a text, feature by feature. It knows no catalog and no page."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog.live_answers import LiveFirings


@dataclass(frozen=True, slots=True, eq=False)
class FiredFeatures:
    """Every feature of one dictionary that fires on one text.

    features: ascending. Feature i fires at positions[offsets[i]:offsets[i + 1]], ascending, with the activations
    beside them. peaks: greatest activation; sums: of all activations; n_tokens: on how many tokens.
    """

    features: NDArray[np.int64]
    offsets: NDArray[np.int64]
    positions: NDArray[np.int64]
    activations: NDArray[np.float32]
    peaks: NDArray[np.float32]
    sums: NDArray[np.float64]
    n_tokens: NDArray[np.int64]

    def row(self, feature: int) -> int | None:
        """Where a feature stands in these arrays; None where it is silent."""
        place = int(np.searchsorted(self.features, feature))
        return place if place < len(self.features) and self.features[place] == feature else None

    def firings(self, row: int) -> slice:
        """Where the firings of the feature of a row stand."""
        return slice(int(self.offsets[row]), int(self.offsets[row + 1]))


def by_feature(found: LiveFirings) -> FiredFeatures:
    """The firings of a text, sorted by feature and then by position."""
    order = np.argsort(found.features, kind="stable")
    sorted_features = found.features[order].astype(np.int64)
    activations = found.activations[order]
    features, starts = np.unique(sorted_features, return_index=True)
    offsets = np.append(starts, len(sorted_features)).astype(np.int64)
    is_empty = not len(features)
    return FiredFeatures(
        features=features,
        offsets=offsets,
        positions=found.positions[order].astype(np.int64),
        activations=activations,
        peaks=activations[:0] if is_empty else np.maximum.reduceat(activations, starts),
        sums=np.zeros(0) if is_empty else np.add.reduceat(activations.astype(np.float64), starts),
        n_tokens=np.diff(offsets),
    )
