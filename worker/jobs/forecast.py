"""What a harvest will take in time, memory and disk, told beforehand; nothing of the catalog or the store changes.

A few batches are harvested for real, in a folder that goes away, and what they took is carried over to the plan of the
whole: time by tokens, by shards and by what is kept; disk by what the features of the trial keep. Memory is the
estimate by which a worker keeps its limit.
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from worker.harvest.kept_growth import KeptGrowth
from worker.harvest.plan import HarvestPlan
from worker.harvest.subset import features_of
from worker.harvest.trial import Trial, try_out
from worker.harvest.weights import weight_results
from worker.jobs.context import JobContext
from worker.jobs.growing import check_base, find_base
from worker.jobs.harvest_finish import LOSS_CONTEXTS, QUALITY_CONTEXTS, TRAINED_KINDS
from worker.jobs.harvest_inputs import HarvestInputs, open_inputs
from worker.jobs.harvest_prepare import arrange_request, harvest_key
from worker.jobs.progress import Stages
from worker.jobs.requests import HarvestRequest
from worker.jobs.room import Arrangement, Passes, measure_room
from worker.jobs.trial_catalog import Written, write_trial
from worker.jobs.untouched_store import UntouchedStore
from worker.train.evaluate import contexts_at_once, measure_quality

# Of measuring a context, the loss takes four passes through the whole model, and all else one to the hook.
_LOSS_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Forecast:
    """seconds: of the job, by part. memory: most bytes that the worker holds. disk: bytes by what they are for.

    tokens: that go through the model, in each of the passes. done: whether a complete harvest of the same is there.
    """

    dictionaries: tuple[str, ...]
    tokens: int
    shards: int
    passes: Passes
    batch_tokens: int
    dtype: str
    device: str
    seconds: dict[str, float]
    memory: int
    disk: dict[str, int]
    done: bool

    @property
    def all_seconds(self) -> float:
        """From the moment a worker takes the job."""
        return sum(self.seconds.values())

    @property
    def most_disk(self) -> int:
        """Bytes on all disks together at the highest, before the shards are removed."""
        return sum(self.disk.values())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; sizes in bytes."""
        lasting = self.most_disk - self.disk["shards"]
        totals = {"total_seconds": self.all_seconds, "most_disk": self.most_disk, "lasting_disk": lasting}
        return {**asdict(self), **totals, "passes": [list(numbers) for numbers in self.passes]}


def forecast(context: JobContext, request: HarvestRequest, *, stages: Stages) -> Forecast:
    """Try a harvest out. Raises whatever its first step would: JobError, CorpusError, TooLittleMemory and the like."""
    with tempfile.TemporaryDirectory(prefix="featurescope-trial-") as folder:
        own = replace(context, shadow=UntouchedStore(context.store, Path(folder) / "store"))
        return _Forecaster(own, request, Path(folder), stages).forecast()


class _Forecaster:
    def __init__(self, context: JobContext, request: HarvestRequest, folder: Path, stages: Stages) -> None:
        self._context, self._request, self._folder, self._stages = context, request, folder, stages

    def forecast(self) -> Forecast:
        began = time.perf_counter()
        base = find_base(self._context, self._request.grow)
        dtype = None if base is None else base.dtype
        inputs = open_inputs(self._context, self._request, stages=self._stages, dtype=dtype)
        if base is not None:
            check_base(self._context, base, inputs)
        arranged = arrange_request(self._context, inputs, self._request, base=base)
        opened = time.perf_counter() - began
        room = measure_room(inputs, arranged.plan)
        parts = [self._pass(inputs, arranged, which) for which in range(len(arranged.passes))]
        seconds = {name: sum(each.seconds[name] for each in parts) for name in parts[0].seconds}
        disk = {name: sum(each.disk[name] for each in parts) for name in parts[0].disk}
        if not self._context.settings.keep_state:
            disk["kept"] = 0
        plan = arranged.plan
        return Forecast(
            dictionaries=tuple(record.slug for record in inputs.records),
            tokens=_tokens(plan, inputs),
            shards=plan.n_shards,
            passes=arranged.passes,
            batch_tokens=plan.options.batch_tokens,
            dtype=inputs.dtype_name,
            device=str(inputs.model.device),
            seconds={"opening": opened, **seconds},
            memory=room.needed(plan, arranged.passes),
            disk={"corpus": self._corpus_bytes(inputs), **disk},
            done=not self._request.again and self._is_done(harvest_key(inputs, plan)),
        )

    def _pass(self, inputs: HarvestInputs, arranged: Arrangement, which: int) -> "_PassForecast":
        numbers, plan, model = arranged.passes[which], arranged.plan, inputs.model
        dictionaries = inputs.shelf.take(numbers)
        began = time.perf_counter()
        weights = [
            weight_results(each, model.path_to_logits(each.hook_name), features_of(plan.options.features, each.d_sae))
            for each in dictionaries
        ]
        weighing = time.perf_counter() - began
        folder = self._folder / f"pass-{which}"
        trial = try_out(
            plan,
            model=model,
            dictionaries=dictionaries,
            weights=weights,
            contexts=inputs.contexts,
            folder=folder,
            device=model.device,
        )
        written = [
            write_trial(self._context, inputs, trial, folder / str(place), number=number, place=place, weights=weight)
            for place, (number, weight) in enumerate(zip(numbers, weights, strict=True))
        ]
        measuring = self._quality_seconds(inputs, numbers)
        return _carried_over(trial, written, plan, inputs, weighing=weighing, measuring=measuring)

    def _quality_seconds(self, inputs: HarvestInputs, numbers: Sequence[int]) -> float:
        """Of measuring those of the pass that nobody has measured."""
        records = inputs.records
        unmeasured = [n for n in numbers if records[n].quality is None and records[n].kind in TRAINED_KINDS]
        contexts, model = inputs.contexts, inputs.model
        if not unmeasured:
            return 0.0
        at_once = min(contexts_at_once(contexts.n_ctx, model.d_vocab), len(contexts))
        began = time.perf_counter()
        measure_quality(
            model,
            [dictionary.to(model.device) for dictionary in inputs.shelf.take(unmeasured)],
            contexts,
            np.linspace(0, len(contexts) - 1, at_once).astype(np.int64),
            excluded=frozenset(inputs.excluded_ids),
            at_once=at_once,
        )
        batch = time.perf_counter() - began
        looked_at, for_loss = (min(n, len(contexts)) / at_once for n in (QUALITY_CONTEXTS, LOSS_CONTEXTS))
        return batch * ((1 - _LOSS_SHARE) * looked_at + _LOSS_SHARE * for_loss)

    def _corpus_bytes(self, inputs: HarvestInputs) -> int:
        """Of a corpus that the harvest itself would tokenise; 0 where it is there."""
        if not inputs.corpus.folder.is_relative_to(self._folder):
            return 0
        return sum(file.stat().st_size for file in inputs.corpus.folder.rglob("*") if file.is_file())

    def _is_done(self, key: str) -> bool:
        with self._context.ledger.reading() as reader:
            return any(each.id.split("-")[0] == key and each.status == "complete" for each in reader.harvests())


@dataclass(frozen=True, slots=True)
class _PassForecast:
    seconds: dict[str, float]
    disk: dict[str, int]


def _carried_over(
    trial: Trial,
    written: Sequence[Written],
    plan: HarvestPlan,
    inputs: HarvestInputs,
    *,
    weighing: float,
    measuring: float,
) -> _PassForecast:
    """From what the trial took to what the plan will take."""
    grown = [KeptGrowth.of(result) for result in trial.results]
    new_contexts, new_tokens = plan.n_contexts - plan.seen, _tokens(plan, inputs)
    shard = sum(
        each.state_bytes(plan, contexts=new_contexts // plan.n_shards, tokens=new_tokens // plan.n_shards)
        for each in grown
    )
    kept = sum(each.state_bytes(plan, contexts=plan.n_contexts, tokens=plan.corpus_tokens) for each in grown)
    by_shard, by_kept = shard / trial.state_bytes, kept / trial.state_bytes
    pages = [each.grown_to(plan) for each in written]
    seconds = {
        "passing": new_tokens * trial.token + plan.n_shards * trial.shard * by_shard,
        "weighing": weighing,
        # A part is added to what is there already, so that both are gone through.
        "merging": plan.n_shards * trial.fold * (by_shard + by_kept) / 2 + trial.finish * by_kept,
        "measuring": measuring,
        "writing": sum(page.seconds for page in pages),
    }
    disk = {
        "shards": round(plan.n_shards * shard),
        "kept": round(kept),
        "catalog": sum(page.size for page in pages),
    }
    return _PassForecast(seconds, disk)


def _tokens(plan: HarvestPlan, inputs: HarvestInputs) -> int:
    """Text tokens that go through the model."""
    return int(np.asarray(inputs.contexts.lengths[plan.seen :]).sum(dtype=np.int64))
