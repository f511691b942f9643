"""One shard of a harvest as a piece of work for any worker: everything it needs is found from the harvest's row."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from catalog.log_lines import bound, told
from catalog.records import HarvestRecord
from worker.harvest.engine import harvest_shard
from worker.harvest.partial import is_done, partial_path
from worker.harvest.plan import HarvestPlan
from worker.jobs.context import JobContext
from worker.jobs.errors import JobError
from worker.jobs.harvest_inputs import HarvestInputs, open_inputs
from worker.jobs.ledger import ShardPlace
from worker.jobs.patience import patiently
from worker.jobs.places import OPENED, harvest_place
from worker.jobs.progress import Pace, Progress, Reading
from worker.jobs.requests import HarvestRequest, from_json

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class OpenHarvest:
    """A harvest that is under way: its row, its plan, what it reads, and where its shards lie.

    place: of the shards in the store. folder: of the shards on this machine.
    """

    record: HarvestRecord
    plan: HarvestPlan
    inputs: HarvestInputs
    place: str
    folder: Path

    def shard_place(self, shard: int) -> str:
        """Where all workers find a finished shard."""
        return f"{self.place}/{partial_path(self.folder, shard).name}"


def open_harvest(context: JobContext, job_id: str, harvest_id: str) -> OpenHarvest:
    """From the row alone.

    Raises MissingInStore where this worker's store is another than that of the one who began the harvest, JobError
    where the files are no longer those the plan was made for.
    """
    with context.ledger.reading() as reader:
        record = reader.harvest(harvest_id)
    place = harvest_place(record.plan["key"])
    context.store.take(f"{place}/{OPENED}")
    plan = HarvestPlan.from_json(record.plan["harvest"])
    request = from_json(HarvestRequest, record.plan["request"])

    def open_them() -> HarvestInputs:
        return open_inputs(
            context,
            request,
            stages=context.stages(job_id),
            dtype=record.plan["dtype"],
            corpus_place=record.plan["corpus"],
        )

    inputs = context.inputs.get(harvest_id, open_them)
    if inputs.corpus.hash != plan.corpus_hash:
        raise JobError("The files of the corpus have changed since the harvest began. Ask for the harvest again.")
    return OpenHarvest(record, plan, inputs, place, context.store.path(place))


def logged_shard(context: JobContext, job_id: str, harvest_id: str, shard: int) -> dict[str, Any]:
    """`run_shard`, with its beginning and end in the log and in the worker's figures."""
    began = time.monotonic()
    with (
        bound(job=job_id, harvest=harvest_id, shard=shard),
        context.figures.doing(f"{job_id}-{harvest_id}-{shard}", "Harvesting a shard"),
    ):
        log.info("The shard begins.")
        outcome = run_shard(context, job_id, harvest_id, shard)
        context.figures.shard_done()
        seconds = round(time.monotonic() - began, 3)
        log.info("The shard is done after %.1f s.", seconds, extra=told(seconds=seconds))
    return outcome


def run_shard(context: JobContext, job_id: str, harvest_id: str, shard: int) -> dict[str, Any]:
    """Harvest one shard into its place in the store; nothing is done where it is there."""
    context.ledger.raise_if_stopped(job_id)
    harvest = open_harvest(context, job_id, harvest_id)
    plan, inputs, place = harvest.plan, harvest.inputs, harvest.shard_place(shard)
    tokens = shard_tokens(harvest, shard)
    seen = int(np.asarray(inputs.contexts.lengths[: plan.seen]).sum(dtype=np.int64))
    pace = context.paces.setdefault(harvest_id, Pace(plan.corpus_tokens))

    def report(reading: Reading) -> None:
        which = ShardPlace(job_id, harvest_id, shard)
        context.ledger.shard_progressed(which, reading.done, lambda in_shards: pace.at(seen + in_shards))

    progress = Progress(report, total=tokens)
    if context.store.has(place) and is_done(context.store.take(place), plan.digest):
        context.store.done_with(place)
        progress.update(tokens)
        return {"shard": shard}
    counted = context.figures.following("harvest", since=0)

    def note(done: int, _total: int) -> None:
        counted(done)
        progress.update(done)

    harvest_shard(
        plan,
        shard,
        model=inputs.model,
        dictionaries=inputs.dictionaries,
        contexts=inputs.contexts,
        folder=harvest.folder,
        device=inputs.model.device,
        on_progress=note,
        save=lambda write: patiently(context, job_id, write),
    )
    context.store.put(place, partial_path(harvest.folder, shard))
    context.store.done_with(place)
    progress.update(tokens)
    return {"shard": shard}


def shard_tokens(harvest: OpenHarvest, shard: int) -> int:
    """Text tokens of a shard."""
    first, last = harvest.plan.shards[shard : shard + 2]
    return int(np.asarray(harvest.inputs.contexts.lengths[first:last]).sum(dtype=np.int64))


def finished_shards(context: JobContext, harvest: OpenHarvest) -> list[int]:
    """Those whose results lie in the store, ascending."""
    return [shard for shard in range(harvest.plan.n_shards) if context.store.has(harvest.shard_place(shard))]


def text_tokens(harvest: OpenHarvest, shards: Sequence[int]) -> int:
    """Text tokens of some shards."""
    return sum(shard_tokens(harvest, shard) for shard in shards)
