"""All reducers of one dictionary together: updated, saved, read back and merged as one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from jaxtyping import Int64

from worker.harvest.coactivation import Coactivation
from worker.harvest.counts import Counts
from worker.harvest.edges import EdgeDocuments
from worker.harvest.firings import Firings
from worker.harvest.histogram import ActivationHistogram
from worker.harvest.plan import HarvestPlan
from worker.harvest.pool import ControlPool
from worker.harvest.position import PositionProfile
from worker.harvest.sample import ContextSample
from worker.harvest.subset import Numbers, numbers_of
from worker.harvest.threads import Threads
from worker.harvest.top_contexts import TopContexts

NAMES = ("edges", "counts", "histogram", "position", "top", "sample", "pool", "coactivation")


@dataclass(frozen=True, slots=True, eq=False)
class Reducers:
    """The reducers of one dictionary."""

    edges: EdgeDocuments
    counts: Counts
    histogram: ActivationHistogram
    position: PositionProfile
    top: TopContexts
    sample: ContextSample
    pool: ControlPool
    coactivation: Coactivation

    @classmethod
    def empty(
        cls,
        plan: HarvestPlan,
        features: Numbers,
        *,
        edges: EdgeDocuments,
        pool_ids: Int64[np.ndarray, " pool"],
        ranges: Sequence[tuple[int, int]],
    ) -> Self:
        """Reducers that have seen nothing. features: their numbers; ranges: of them, one for each thread."""
        options, d_sae = plan.options, len(features)
        return cls(
            edges,
            Counts(d_sae),
            ActivationHistogram(d_sae),
            PositionProfile(d_sae, plan.n_ctx),
            TopContexts(ranges, options.n_top, one_per_document=options.one_per_document),
            ContextSample(ranges, options.n_sample, seed=options.seed, features=features),
            ControlPool(d_sae, pool_ids),
            Coactivation(d_sae, bar=plan.coactivation_bar, seed=options.seed, max_entries=options.coactivation_entries),
        )

    @classmethod
    def from_arrays(
        cls, plan: HarvestPlan, arrays: dict[str, dict[str, np.ndarray]], *, pool_ids: Int64[np.ndarray, " pool"]
    ) -> Self:
        """Reducers from their saved states; they can be merged, not updated further."""
        options = plan.options
        features = numbers_of(options.features, len(arrays["counts"]["counts"]))
        return cls(
            EdgeDocuments.from_arrays(arrays["edges"]),
            Counts.from_arrays(arrays["counts"]),
            ActivationHistogram.from_arrays(arrays["histogram"]),
            PositionProfile.from_arrays(arrays["position"]),
            TopContexts.from_arrays(arrays["top"], options.n_top, one_per_document=options.one_per_document),
            ContextSample.from_arrays(arrays["sample"], options.n_sample, seed=options.seed, features=features),
            ControlPool.from_arrays(arrays["pool"], pool_ids),
            Coactivation.from_arrays(arrays["coactivation"], max_entries=options.coactivation_entries),
        )

    def update(self, firings: Firings, threads: Threads) -> None:
        """Add a batch to each."""
        for name in NAMES:
            getattr(self, name).update(firings, threads)

    def merge(self, other: Self) -> None:
        """Add what others saw of the contexts behind these."""
        shared = self.edges.shared(other.edges)
        self.counts.merge(other.counts, in_both=None if shared is None else shared.fired)
        self.top.merge(other.top, shared=shared)
        for name in ("edges", "histogram", "position", "sample", "pool", "coactivation"):
            getattr(self, name).merge(getattr(other, name))

    def under(self, plan: HarvestPlan, pool_ids: Int64[np.ndarray, " pool"]) -> Self:
        """The same with the samples that a plan of more text draws."""
        return replace(
            self, pool=self.pool.for_pool(pool_ids), coactivation=self.coactivation.under(plan.coactivation_bar)
        )

    def parts(self) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
        """States to be saved, one reducer after the other: each is made when it is asked for."""
        return ((name, getattr(self, name).arrays()) for name in NAMES)
