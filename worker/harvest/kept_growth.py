"""How much of a dictionary is kept after so many contexts, as a trial on some of them lets expect."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from worker.harvest.plan import HarvestPlan
from worker.harvest.position import MOST_BUCKETS
from worker.harvest.result import HarvestResult

# Contexts of the trial in which a feature that was not seen is taken to fire; between never and once.
_UNSEEN = 0.3
_UNSEEN_ROW = 1.5
# Bytes in a shard's file: of a feature's counts and edges, of a position bucket, a row, a firing, a histogram bin.
_COUNTS, _BUCKET, _ROW, _FIRING, _BIN = 64, 12, 16, 6, 16
# Bins that a feature fills more each time its firings double, until it has filled what its spread lets it.
_BINS_A_DOUBLING, _MOST_BINS = 6.0, 110.0
# Bytes in a shard's file of a joint firing, and of a token that is looked at for them.
_JOINT, _JOINT_TOKEN = 4, 16


@dataclass(frozen=True, slots=True, eq=False)
class KeptGrowth:
    """What a trial of so many contexts saw of each feature: contexts it fires in, firings in one, bins filled.

    l0: firings a token.
    """

    contexts: int
    contexts_fired: Float64[np.ndarray, " feature"]
    row: Float64[np.ndarray, " feature"]
    bins: Int64[np.ndarray, " feature"]
    l0: float

    @classmethod
    def of(cls, result: HarvestResult) -> "KeptGrowth":
        """From the result of the trial."""
        fired = result.contexts_fired.astype(np.float64)
        row = np.full(len(fired), _UNSEEN_ROW)
        np.divide(result.tokens_fired, fired, out=row, where=fired > 0)
        return cls(
            contexts=result.corpus.contexts,
            contexts_fired=np.where(fired > 0, fired, _UNSEEN),
            row=row,
            bins=np.diff(result.histogram_offsets),
            l0=result.summary.l0,
        )

    def kept(self, n_contexts: int, places: int) -> tuple[float, float]:
        """Rows, and firings in them, of lists of so many places a feature after n_contexts contexts."""
        kept = np.minimum(self.contexts_fired * n_contexts / self.contexts, min(places, n_contexts))
        return float(kept.sum()), float((kept * self.row).sum())

    def state_bytes(self, plan: HarvestPlan, *, contexts: int, tokens: int) -> float:
        """Size of the saved reducers after so many of the plan's contexts and tokens."""
        options, n = plan.options, len(self.row)
        lists = [self.kept(contexts, places) for places in (options.n_top, options.n_sample)]
        fixed = _COUNTS + _BUCKET * min(plan.n_ctx, MOST_BUCKETS) + min(options.n_pool, plan.n_contexts) / 8
        doublings = max(0.0, float(np.log2(max(1.0, contexts / self.contexts))))
        bins = np.minimum(self.bins + _BINS_A_DOUBLING * doublings, np.maximum(self.bins, _MOST_BINS)).sum()
        share = min(1.0, options.coactivation_tokens / max(1, plan.corpus_tokens))
        joint = share * tokens * (self.l0 * _JOINT + _JOINT_TOKEN)
        rows = sum(_ROW * rows + _FIRING * firings for rows, firings in lists)
        return float(n * fixed + _BIN * bins + rows + joint)
