"""Folds the partial results of shards, in their order; what comes out can be kept, and shards of more text added to it.

Growing is exact. Context ids do not change when text is added behind, so counts and lists merge as shards do. The
samples are of smallest hash over the whole corpus: what more text leaves of a smaller corpus's sample is a part of it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from jaxtyping import Int64

from worker.harvest.batch import Contexts
from worker.harvest.corpus_counts import CorpusCounts
from worker.harvest.partial import Arrays, PartialFile, States, load_partial, partial_path
from worker.harvest.plan import HarvestPlan, pool_ids
from worker.harvest.reducers import Reducers

Progress = Callable[[int, int], None]
_CORPUS, _POOL = "corpus", "pool"


@dataclass(slots=True, eq=False)
class Folded:
    """What all contexts up to some one gave: the corpus's own counts, and the reducers of each dictionary in order."""

    corpus: CorpusCounts
    reducers: list[Reducers]
    pool_ids: Int64[np.ndarray, " pool"]

    @classmethod
    def from_states(cls, plan: HarvestPlan, states: dict[str, States], pool: Int64[np.ndarray, " pool"]) -> Self:
        """From what a partial file holds."""
        corpus = CorpusCounts.from_arrays(states.pop(_CORPUS)["counts"])
        reducers = [Reducers.from_arrays(plan, states[key], pool_ids=pool) for key in sorted(states, key=int)]
        return cls(corpus, reducers, pool)

    def add(self, other: Self) -> None:
        """Add what the contexts behind gave."""
        shared = self.reducers[0].edges.shared(other.reducers[0].edges)
        self.corpus.merge(other.corpus, share_a_document=shared is not None)
        for mine, theirs in zip(self.reducers, other.reducers, strict=True):
            mine.merge(theirs)

    def within(self, plan: HarvestPlan, shards: Sequence[int]) -> Self:
        """The same, its pool without the contexts of other shards: nobody has looked yet where they are silent."""
        owners = np.searchsorted(plan.shards, self.pool_ids, side="right") - 1
        pool = self.pool_ids[np.isin(owners, shards)]
        seen = [replace(each, pool=each.pool.for_pool(pool)) for each in self.reducers]
        return replace(self, reducers=seen, pool_ids=pool)

    def save(self, path: Path, digest: str) -> None:
        """Keep it. Raises HarvestError where there is no room."""
        with PartialFile(path, digest) as file:
            self.add_to(file)

    def add_to(self, file: PartialFile, *, first: int = 0) -> None:
        """Add its dictionaries to a file as numbers `first` and on; what they share goes with number 0."""
        for place, arrays in self._parts(first):
            file.add(place, arrays)
            del arrays

    def _parts(self, first: int) -> Iterator[tuple[str, Arrays]]:
        if first == 0:
            yield f"{_CORPUS}/counts", self.corpus.arrays()
            yield f"{_POOL}/{_POOL}", {"ids": self.pool_ids}
        for index, reducers in enumerate(self.reducers, start=first):
            yield from ((f"{index}/{name}", arrays) for name, arrays in reducers.parts())

    @classmethod
    def load(
        cls, path: Path, plan: HarvestPlan, *, contexts: Contexts, digest: str, places: Sequence[int] | None = None
    ) -> Self:
        """What an earlier harvest kept, with the samples of a plan that goes on where that one ended.

        digest: of the earlier plan. places: of the dictionaries wanted among those it had, None for all.
        Raises HarvestError where the file is missing, damaged or of another harvest.
        """
        owners = None if places is None else [_CORPUS, _POOL, *map(str, places)]
        states = load_partial(path, digest, owners=owners)
        earlier = states.pop(_POOL)[_POOL]["ids"]
        if places is not None:
            wanted = {str(index): states[str(place)] for index, place in enumerate(places)}
            states = {_CORPUS: states[_CORPUS], **wanted}
        folded = cls.from_states(plan, states, earlier)
        pool = pool_ids(plan, contexts)
        return cls(folded.corpus, [each.under(plan, pool) for each in folded.reducers], pool)


def fold_shards(
    plan: HarvestPlan,
    folder: Path,
    *,
    contexts: Contexts,
    before: Folded | None = None,
    shards: Sequence[int] | None = None,
    numbers: Sequence[int] | None = None,
    on_progress: Progress | None = None,
) -> Folded:
    """All shards of a plan as one. before: what an earlier harvest kept, where the plan goes on from one.

    shards: those to fold, ascending; None folds all, anything else gives what only they say.
    numbers: of the dictionaries wanted among those of the shards, ascending, None for all: memory holds no others.
    on_progress: called after each shard with shards folded and in all.
    Raises HarvestError where a shard is missing, damaged or of another plan.
    """
    pool = pool_ids(plan, contexts)
    owners = None if numbers is None else [_CORPUS, *map(str, numbers)]
    folded = before
    chosen = range(plan.n_shards) if shards is None else shards
    for done, shard in enumerate(chosen, start=1):
        states = load_partial(partial_path(folder, shard), plan.digest, owners=owners)
        part = Folded.from_states(plan, states, pool)
        if folded is None:
            folded = part
        else:
            folded.add(part)
        del states, part
        if on_progress is not None:
            on_progress(done, len(chosen))
    assert folded is not None
    return folded if shards is None else folded.within(plan, shards)
