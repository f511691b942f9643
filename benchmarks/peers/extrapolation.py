"""The time of all of SAEDashboard's features, from the batches that were made."""

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

CLOCKS = ("seconds", "cpu_seconds")


def of_all_features(sizes: Sequence[Mapping[str, Any]], d_sae: int) -> list[dict[str, Any]]:
    """Each size with what all d_sae features take: `seconds`, `cpu_seconds`, `batches_in_all`, `extrapolated`.

    sizes: `feature_batch` and the times of its `batches`. The very first batch of all also ran the model; what it took
    more than the later batches of its size is the model's pass, which every size needs once. Every batch that was not
    made counts as the mean of those of its size that were, the very first left out.
    Raises ValueError where a size has no batch but that first one, and more are needed.
    """
    whole = []
    passes = {clock: _model_pass(sizes[0], clock) for clock in CLOCKS}
    for number, size in enumerate(sizes):
        in_all = -(-d_sae // size["feature_batch"])
        later = size["batches"][1:] if number == 0 else size["batches"]
        if not later and in_all > 1:
            raise ValueError(f"No batch of {size['feature_batch']} features is there to extrapolate from.")
        totals = {
            clock: round(passes[clock] + _of_batches([batch[clock] for batch in later], in_all, size, clock), 1)
            for clock in CLOCKS
        }
        made = len(size["batches"])
        whole.append({**size, **totals, "batches_in_all": in_all, "extrapolated": made < in_all})
    return whole


def _model_pass(size: Mapping[str, Any], clock: str) -> float:
    first, *later = (batch[clock] for batch in size["batches"])
    return max(0.0, first - mean(later)) if later else 0.0


def _of_batches(later: Sequence[float], in_all: int, size: Mapping[str, Any], clock: str) -> float:
    return in_all * mean(later) if later else size["batches"][0][clock]
