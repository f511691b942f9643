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
from worker.jobs.room import check_room

# Under these keys a harvest's row says which dictionaries go through the corpus together, and what limit was asked for.
PASSES, MEMORY_LIMIT = "passes", "memory_limit"
PASS_FOLDER = "pass-{}"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class OpenHarvest:
    """A harvest that is under way: its row, its plan, what it reads, and where its pieces lie.

    A piece is one shard of the plan for the dictionaries of one pass: piece n is shard n % n_shards in pass
    n // n_shards. passes: numbers of the dictionaries that go through the corpus together.
    place: of the pieces in the store. folder: of the pieces on this machine.
    """

    record: HarvestRecord
    plan: HarvestPlan
    inputs: HarvestInputs
    passes: tuple[tuple[int, ...], ...]
    place: str
    folder: Path

    @property
    def n_pieces(self) -> int:
        """Pieces of work."""
        return self.plan.n_shards * len(self.passes)

    def piece(self, number: int) -> tuple[int, int]:
        """The pass and the shard of a piece."""
        return divmod(number, self.plan.n_shards)

    def pass_folder(self, number: int) -> Path:
        """Where the shards of a pass are on this machine."""
        return self.folder / PASS_FOLDER.format(number) if number else self.folder

    def piece_place(self, number: int) -> str:
        """Where all workers find a finished piece."""
        which, shard = self.piece(number)
        return f"{self.place}/{partial_path(self.pass_folder(which), shard).relative_to(self.folder).as_posix()}"


def open_harvest(context: JobContext, job_id: str, harvest_id: str) -> OpenHarvest:
    """From the row alone.

    Raises MissingInStore where this worker's store is another than that of the one who began the harvest, JobError
    where the files are no longer those the plan was made for, TooLittleMemory where this worker may not hold as much.
    """
    with context.ledger.reading() as reader:
        record = reader.harvest(harvest_id)
    place = harvest_place(record.plan["key"])
    context.store.take(f"{place}/{OPENED}")
    plan = HarvestPlan.from_json(record.plan["harvest"])
    request = from_json(HarvestRequest, record.plan["request"])
    passes = tuple(tuple(numbers) for numbers in record.plan.get(PASSES, [range(len(record.dictionaries))]))

    def open_them() -> HarvestInputs:
        inputs = open_inputs(
            context,
            request,
            stages=context.stages(job_id),
            dtype=record.plan["dtype"],
            corpus_place=record.plan["corpus"],
        )
        if inputs.corpus.hash != plan.corpus_hash:
            raise JobError("The files of the corpus have changed since the harvest began. Ask for the harvest again.")
        check_room(inputs, plan, passes, limit=memory_limit(context, record))
        return inputs

    inputs = context.inputs.get(harvest_id, open_them)
    return OpenHarvest(record, plan, inputs, passes, place, context.store.path(place))


def memory_limit(context: JobContext, record: HarvestRecord) -> int | None:
    """The limit that holds for a harvest in this worker, in bytes."""
    return context.settings.memory_limit_beside(record.plan.get(MEMORY_LIMIT))


def logged_shard(context: JobContext, job_id: str, harvest_id: str, number: int) -> dict[str, Any]:
    """`run_shard`, with its beginning and end in the log and in the worker's figures."""
    began = time.monotonic()
    with (
        bound(job=job_id, harvest=harvest_id, shard=number),
        context.figures.doing(f"{job_id}-{harvest_id}-{number}", "Harvesting a shard"),
    ):
        log.info("The shard begins.")
        outcome = run_shard(context, job_id, harvest_id, number)
        context.figures.shard_done()
        seconds = round(time.monotonic() - began, 3)
        log.info("The shard is done after %.1f s.", seconds, extra=told(seconds=seconds))
    return outcome


def run_shard(context: JobContext, job_id: str, harvest_id: str, number: int) -> dict[str, Any]:
    """Harvest one piece into its place in the store; nothing is done where it is there."""
    context.ledger.raise_if_stopped(job_id)
    harvest = open_harvest(context, job_id, harvest_id)
    plan, inputs, place = harvest.plan, harvest.inputs, harvest.piece_place(number)
    which, shard = harvest.piece(number)
    tokens, progress = shard_tokens(harvest, shard), _progress(context, job_id, harvest, number)
    if context.store.has(place) and is_done(context.store.take(place), plan.digest):
        context.store.done_with(place)
        progress.update(tokens)
        return {"shard": number}
    counted = context.figures.following("harvest", since=0)

    def note(done: int, _total: int) -> None:
        counted(done)
        progress.update(done)

    with context.alone(memory_limit(context, harvest.record)):
        harvest_shard(
            plan,
            shard,
            model=inputs.model,
            dictionaries=inputs.shelf.take(harvest.passes[which]),
            contexts=inputs.contexts,
            folder=harvest.pass_folder(which),
            device=inputs.model.device,
            on_progress=note,
            save=lambda write: patiently(context, job_id, write),
        )
    context.store.put(place, partial_path(harvest.pass_folder(which), shard))
    context.store.done_with(place)
    progress.update(tokens)
    return {"shard": number}


def _progress(context: JobContext, job_id: str, harvest: OpenHarvest, number: int) -> Progress:
    """How far a piece is. A token counts whole when it has gone through every pass."""
    plan, n_passes = harvest.plan, len(harvest.passes)
    seen = int(np.asarray(harvest.inputs.contexts.lengths[: plan.seen]).sum(dtype=np.int64))
    tokens = shard_tokens(harvest, harvest.piece(number)[1])
    pace = context.paces.setdefault(harvest.record.id, Pace(plan.corpus_tokens))
    which = ShardPlace(job_id, harvest.record.id, number)

    def report(reading: Reading) -> None:
        # What is left over goes to the last pass, so that the sum over all is the number of tokens.
        share = reading.done // n_passes
        done = reading.done - (n_passes - 1) * share if number >= plan.n_shards * (n_passes - 1) else share
        context.ledger.shard_progressed(which, done, lambda in_shards: pace.at(seen + in_shards))

    return Progress(report, total=tokens)


def shard_tokens(harvest: OpenHarvest, shard: int) -> int:
    """Text tokens of a shard."""
    first, last = harvest.plan.shards[shard : shard + 2]
    return int(np.asarray(harvest.inputs.contexts.lengths[first:last]).sum(dtype=np.int64))


def finished_shards(context: JobContext, harvest: OpenHarvest) -> list[int]:
    """Those of the first pass whose results lie in the store, ascending."""
    return [shard for shard in range(harvest.plan.n_shards) if context.store.has(harvest.piece_place(shard))]


def text_tokens(harvest: OpenHarvest, shards: Sequence[int]) -> int:
    """Text tokens of some shards."""
    return sum(shard_tokens(harvest, shard) for shard in shards)
