"""A harvest of a few batches in a folder that goes away, by the clock: what the whole of it will take.

The real model, dictionaries, corpus, device and dtype, in batches of the plan's own size. The contexts are drawn from
all that the plan goes through, so that what fires, and how full the batches are, is as it will be.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from worker.corpus.contexts import ContextTable
from worker.harvest.engine import ActivationSource, HarvestDictionary, harvest_shard
from worker.harvest.fold import fold_shards
from worker.harvest.merge import results_of
from worker.harvest.partial import partial_path
from worker.harvest.plan import HarvestPlan, plan_harvest
from worker.harvest.result import HarvestResult, WeightResult

# Each of the trial's two shards has so many batches. The first of all is warm-up.
BATCHES_A_SHARD = 3


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """Seconds: token, of each text token in a batch; shard, to begin and save one; fold, to add one; finish, the rest
    of merging, of all dictionaries together. state_bytes: of a saved shard, which these go by.
    """

    plan: HarvestPlan
    contexts: ContextTable
    token: float
    shard: float
    fold: float
    finish: float
    state_bytes: int
    results: list[HarvestResult]


def try_out(
    plan: HarvestPlan,
    *,
    model: ActivationSource,
    dictionaries: Sequence[HarvestDictionary],
    weights: Sequence[WeightResult],
    contexts: ContextTable,
    folder: Path,
    device: torch.device,
) -> Trial:
    """Harvest a sample of the plan's contexts into the folder. weights: of the dictionaries."""
    few = sampled(plan, contexts)
    small = _small_plan(plan, few)
    clocks = []
    for shard in range(small.n_shards):
        clock = _Clock()
        harvest_shard(
            small,
            shard,
            model=model,
            dictionaries=dictionaries,
            contexts=few,
            folder=folder,
            device=device,
            on_progress=clock.tick,
        )
        clock.stop()
        clocks.append(clock)
    token = sum(clock.seconds for clock in clocks) / max(1, sum(clock.tokens for clock in clocks))
    began = time.perf_counter()
    folded = fold_shards(small, folder, contexts=few)
    between = time.perf_counter()
    results = results_of(small, folded, contexts=few, neighbours=[each.neighbour_indices for each in weights])
    return Trial(
        small,
        few,
        token=token,
        shard=max(0.0, clocks[-1].whole - token * clocks[-1].all_tokens),
        fold=(between - began) / small.n_shards,
        finish=time.perf_counter() - between,
        state_bytes=partial_path(folder, small.n_shards - 1).stat().st_size,
        results=results,
    )


def sampled(plan: HarvestPlan, contexts: ContextTable) -> ContextTable:
    """Contexts drawn by the plan's seed from all that it goes through, in their order."""
    there = np.arange(plan.seen, plan.n_contexts)
    wanted = 2 * BATCHES_A_SHARD * max(1, plan.options.batch_tokens // plan.n_ctx)
    generator = np.random.default_rng(plan.options.seed)
    chosen = np.sort(generator.choice(there, size=min(wanted, len(there)), replace=False))
    parts = {name: getattr(contexts, name)[chosen] for name in ("document_ids", "starts", "lengths")}
    return replace(contexts, **parts)


def _small_plan(plan: HarvestPlan, few: ContextTable) -> HarvestPlan:
    """In two shards, with a share of the tokens that are looked at for joint firings as in the whole."""
    share = min(1.0, few.n_tokens / plan.corpus_tokens)
    options = replace(
        plan.options,
        shard_tokens=-(-few.n_tokens // 2),
        coactivation_tokens=max(1, round(share * plan.options.coactivation_tokens)),
    )
    return plan_harvest(few, options, excluded_ids=plan.excluded_ids, d_vocab=plan.d_vocab)


class _Clock:
    """Times the batches of a shard but the first, which comes with its beginning."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._ticks: list[tuple[float, int]] = []
        self.whole = 0.0

    def tick(self, done: int, _total: int) -> None:
        self._ticks.append((time.perf_counter(), done))

    def stop(self) -> None:
        self.whole = time.perf_counter() - self._began

    @property
    def all_tokens(self) -> int:
        return self._ticks[-1][1]

    @property
    def tokens(self) -> int:
        """In the batches that are timed; of a single batch, all."""
        return self._ticks[-1][1] - (self._ticks[0][1] if len(self._ticks) > 1 else 0)

    @property
    def seconds(self) -> float:
        began = self._ticks[0][0] if len(self._ticks) > 1 else self._began
        return self._ticks[-1][0] - began
