"""Folds the partial results of shards, in their order; what comes out can be kept, and shards of more text added to it.

Growing is exact. Context ids do not change when text is added behind, so counts and lists merge as shards do. The
samples are of smallest hash over the whole corpus: what more text leaves of a smaller corpus's sample is a part of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from jaxtyping import Int64

from worker.harvest.batch import Contexts
from worker.harvest.corpus_counts import CorpusCounts
from worker.harvest.partial import States, load_partial, partial_path, save_partial
from worker.harvest.plan import HarvestPlan, pool_ids
from worker.harvest.reducers import Reducers

Progress = Callable[[int, int], None]
_POOL = "pool"


@dataclass(slots=True, eq=False)
class Folded:
    """What all contexts up to some one gave: the corpus's own counts, and the reducers of each dictionary in order."""

    corpus: CorpusCounts
    reducers: list[Reducers]
    pool_ids: Int64[np.ndarray, " pool"]

    @classmethod
    def from_states(cls, plan: HarvestPlan, states: dict[str, States], pool: Int64[np.ndarray, " pool"]) -> Self:
        """From what a partial file holds."""
        corpus = CorpusCounts.from_arrays(states.pop("corpus")["counts"])
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
        states = {str(index): reducers.arrays() for index, reducers in enumerate(self.reducers)}
        own = {"corpus": {"counts": self.corpus.arrays()}, _POOL: {_POOL: {"ids": self.pool_ids}}}
        save_partial(path, digest, {**states, **own})

    @classmethod
    def load(
        cls, path: Path, plan: HarvestPlan, *, contexts: Contexts, digest: str, places: Sequence[int] | None = None
    ) -> Self:
        """What an earlier harvest kept, with the samples of a plan that goes on where that one ended.

        digest: of the earlier plan. places: of the dictionaries wanted among those it had, None for all.
        Raises HarvestError where the file is missing, damaged or of another harvest.
        """
        states = load_partial(path, digest)
        earlier = states.pop(_POOL)[_POOL]["ids"]
        if places is not None:
            wanted = {str(index): states[str(place)] for index, place in enumerate(places)}
            states = {"corpus": states["corpus"], **wanted}
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
    on_progress: Progress | None = None,
) -> Folded:
    """All shards of a plan as one. before: what an earlier harvest kept, where the plan goes on from one.

    shards: those to fold, ascending; None folds all, anything else gives what only they say.
    on_progress: called after each shard with shards folded and in all.
    Raises HarvestError where a shard is missing, damaged or of another plan.
    """
    pool = pool_ids(plan, contexts)
    folded = before
    chosen = range(plan.n_shards) if shards is None else shards
    for done, shard in enumerate(chosen, start=1):
        part = Folded.from_states(plan, load_partial(partial_path(folder, shard), plan.digest), pool)
        if folded is None:
            folded = part
        else:
            folded.add(part)
        if on_progress is not None:
            on_progress(done, len(chosen))
    assert folded is not None
    return folded if shards is None else folded.within(plan, shards)
