"""Who harvests a dictionary: one job at a time, whatever the corpus. Others wait until it is over.

A claim is the harvest's own row, made in one transaction with the look at what is there, so that of two requests at the
same moment one comes first on either database. What a job has claimed is given up when the job ends, however it ends.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from catalog.reader import CatalogReader
from catalog.records import HarvestRecord
from catalog.writer import CatalogWriter
from worker.jobs.context import JobContext
from worker.jobs.durable import is_at_work
from worker.jobs.errors import JobError
from worker.jobs.ledger import ENDED

UNDER_WAY = ("queued", "running", "paused")
LOOK_EVERY_SECONDS = 1.0
LEAST_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Claim:
    """What a job wants to harvest. key: names the numbers; again: although a complete harvest of them is there."""

    job_id: str
    key: str
    dictionaries: tuple[str, ...]
    again: bool


def claim_harvest(context: JobContext, claim: Claim, add: Callable[[CatalogWriter, str], None]) -> tuple[str, bool]:
    """The id of the job's harvest, and whether a complete one is there already. Claiming twice is claiming once.

    add: adds the rows of a new harvest under the id it is given.
    Waits while another job harvests one of the dictionaries. Raises JobCancelled where somebody stops the job
    meanwhile, and JobError where the other does not go on either: it might be waiting for this one's place.
    """
    patience = _Patience(context, claim)
    while True:
        found = _try(context, claim, add)
        if isinstance(found, tuple):
            return found
        patience.wait_for(found)


def _try(
    context: JobContext, claim: Claim, add: Callable[[CatalogWriter, str], None]
) -> tuple[str, bool] | HarvestRecord:
    """The harvest's id and whether it is complete, or else the harvest to wait for."""
    with context.ledger.deciding() as (reader, writer):
        harvests = reader.harvests()
        same = [harvest for harvest in harvests if harvest.id.split("-")[0] == claim.key]
        for harvest in same:
            if harvest.job_id == claim.job_id:
                return harvest.id, harvest.status == "complete"
        if (other := _in_the_way(reader, harvests, claim)) is not None:
            return other
        complete = [harvest for harvest in same if harvest.status == "complete"]
        if complete and not claim.again:
            return complete[0].id, True
        harvest_id = f"{claim.key}-{len(same) + 1}" if same else claim.key
        add(writer, harvest_id)
        return harvest_id, False


def _in_the_way(reader: CatalogReader, harvests: list[HarvestRecord], claim: Claim) -> HarvestRecord | None:
    """The oldest harvest under way of any of the dictionaries; one whose job is over is in nobody's way."""
    wanted = set(claim.dictionaries)
    for harvest in reversed(harvests):
        mine = harvest.job_id in (None, claim.job_id)
        if harvest.status in UNDER_WAY and not mine and wanted & set(harvest.dictionaries):
            assert harvest.job_id is not None
            if reader.job(harvest.job_id).status not in ENDED:
                return harvest
    return None


class _Patience:
    """Waiting for another job, which ends where that one has stood still for a while.

    A waiting job keeps its place among the few that a worker runs at a time. Where the other lost its own, by a crash
    say, and all places are taken by such as wait for it, nobody would ever go on: so those that wait give way, each
    after a time of its own.
    """

    def __init__(self, context: JobContext, claim: Claim) -> None:
        self._context, self._claim = context, claim
        self._told: str | None = None
        self._seconds = LEAST_PATIENCE_SECONDS * (1 + random.random())
        self._standing_since: float | None = None

    def wait_for(self, other: HarvestRecord) -> None:
        """A moment. Raises JobCancelled where this job was stopped, JobError where the other does not move."""
        if self._told != other.id:
            self._told = other.id
            shared = ", ".join(sorted({*self._claim.dictionaries} & {*other.dictionaries}))
            told = f"Waiting for the job {other.job_id}, which harvests {shared} already"
            self._context.ledger.at_stage(self._claim.job_id, told, total=0, unit="")
        self._context.ledger.raise_if_stopped(self._claim.job_id)
        time.sleep(LOOK_EVERY_SECONDS)
        assert other.job_id is not None
        if is_at_work(self._context.settings, other.job_id):
            self._standing_since = None
            return
        self._standing_since = self._standing_since or time.monotonic()
        if time.monotonic() - self._standing_since > self._seconds:
            raise JobError(
                f"The job {other.job_id} harvests one of these dictionaries already, and is not going on. Ask again "
                f"when it is over, or stop it first: featurescope cancel {other.job_id}"
            )
