"""What a harvest will take in memory, whatever the number of tokens, and the refusal of too much."""

from collections.abc import Sequence

from worker.harvest.encode import TILE_BYTES
from worker.harvest.errors import HarvestError
from worker.harvest.grid import N_BINS
from worker.harvest.plan import HarvestPlan
from worker.harvest.position import MOST_BUCKETS

EXPECTED_L0 = 64
_ROW_BYTES, _FIRING_BYTES = 32, 6


def estimate_memory(plan: HarvestPlan, d_saes: Sequence[int], *, l0: float = EXPECTED_L0) -> int:
    """Bytes that reducers and buffers take while a shard is harvested; model and weights are apart.

    d_saes: features of each dictionary. l0: firing features a token, which cannot be known beforehand;
    kept rows and the co-activation sample grow with it.
    """
    options = plan.options
    n_buckets = min(plan.n_ctx, MOST_BUCKETS)
    total = 0
    for d_sae in d_saes:
        per_feature = 4 * N_BINS + 12 * n_buckets + options.n_pool // 8 + 80
        rows = d_sae * (options.n_sample + options.n_top)
        firings = (options.n_sample + options.n_top) * (3 * d_sae + plan.n_ctx * l0)
        joint = min(options.coactivation_entries, int(options.coactivation_tokens * l0))
        batch = options.batch_tokens * l0 * 40 + TILE_BYTES
        total += d_sae * per_feature + rows * _ROW_BYTES + int(2 * firings * _FIRING_BYTES) + 8 * joint + int(batch)
    return total + 24 * plan.d_vocab


def check_memory(plan: HarvestPlan, d_saes: Sequence[int]) -> None:
    """Raises HarvestError where the estimate is above the plan's limit, with what would bring it down."""
    limit = plan.options.memory_limit_mb
    needed = estimate_memory(plan, d_saes) / 2**20
    if limit is not None and needed > limit:
        raise HarvestError(
            f"The harvest would take about {needed:,.0f} MB beside the model, but the limit is {limit:,} MB. "
            "Raise the limit, harvest fewer dictionaries at once, or keep smaller samples (n_sample 64 is the least)."
        )
