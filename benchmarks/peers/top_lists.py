"""Top contexts of some features as one side found them. Needs only numpy."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

NO_CONTEXT = -1


@dataclass(frozen=True, slots=True)
class FoundContext:
    """One context of a feature: its number and the feature's activation on each of its tokens, BOS's being 0."""

    context_id: int
    activations: NDArray[np.float32]

    @property
    def peak(self) -> float:
        """The greatest activation."""
        return float(self.activations.max())


@dataclass(frozen=True, slots=True, eq=False)
class TopLists:
    """Row f is of feature features[f]: contexts by falling peak, each context once.

    context_ids [feature, place] is -1 where a list has ended; activations [feature, place, token] is 0 there.
    complete [feature]: the list holds every context in which the feature fires at all.
    """

    features: NDArray[np.int64]
    context_ids: NDArray[np.int64]
    activations: NDArray[np.float32]
    complete: NDArray[np.bool_]

    @property
    def peaks(self) -> NDArray[np.float32]:
        """The greatest activation of each context, [feature, place]."""
        return self.activations.max(axis=2)

    @classmethod
    def of(
        cls, found: Sequence[tuple[int, Iterable[FoundContext]]], complete: Sequence[bool], *, n_top: int, n_ctx: int
    ) -> Self:
        """Lists from the contexts of each feature in any order; contexts with no activation above 0 are left out."""
        context_ids = np.full((len(found), n_top), NO_CONTEXT, np.int64)
        activations = np.zeros((len(found), n_top, n_ctx), np.float32)
        for row, (_, contexts) in enumerate(found):
            firing = [context for context in contexts if context.peak > 0]
            for place, context in enumerate(sorted(firing, key=lambda each: (-each.peak, each.context_id))[:n_top]):
                context_ids[row, place] = context.context_id
                activations[row, place] = context.activations
        features = np.array([feature for feature, _ in found], np.int64)
        return cls(features, context_ids, activations, np.array(complete, np.bool_))

    def write(self, path: Path) -> None:
        """Save, without pickles."""
        np.savez(
            path,
            features=self.features,
            context_ids=self.context_ids,
            activations=self.activations,
            complete=self.complete,
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Lists that were saved."""
        with np.load(path) as arrays:
            return cls(**{name: arrays[name] for name in ("features", "context_ids", "activations", "complete")})
