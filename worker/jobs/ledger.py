"""What jobs write down about themselves in the catalog, so that pages and terminals can follow.

Each call is one short transaction.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine

from catalog.engine import session_scope
from catalog.errors import Busy, StorageFull, Unreachable
from catalog.reader import CatalogReader
from catalog.records import ENDED, JobRecord, JobStatus
from catalog.writer import CatalogWriter
from worker.jobs.errors import JobCancelled
from worker.jobs.pausing import JobPaused
from worker.jobs.progress import Reading

STOPPED: frozenset[JobStatus] = ENDED | frozenset[JobStatus]({"paused"})
HARVESTING = "Harvesting"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ShardPlace:
    """Which shard of what."""

    job_id: str
    harvest_id: str
    shard: int


class Ledger:
    """The catalog as jobs see it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def reading(self) -> Iterator[CatalogReader]:
        """A reader over one unchanging state."""
        with session_scope(self.engine) as session:
            yield CatalogReader(session)

    @contextmanager
    def writing(self) -> Iterator[CatalogWriter]:
        """A writer whose work is committed at the end, or not at all."""
        with session_scope(self.engine, write=True) as session:
            yield CatalogWriter(session)

    @contextmanager
    def deciding(self) -> Iterator[tuple[CatalogReader, CatalogWriter]]:
        """A reader and a writer in one transaction, alone among those that add harvests and the like."""
        with session_scope(self.engine, write=True) as session:
            writer = CatalogWriter(session)
            writer.take_turn()
            yield CatalogReader(session), writer

    def job(self, job_id: str) -> JobRecord:
        """Raises the catalog's NotFound where there is none."""
        with self.reading() as reader:
            return reader.job(job_id)

    def queued(self, job_id: str, *, kind: str, title: str, priority: int = 0) -> None:
        """Somebody asked for a job."""
        record = JobRecord(
            id=job_id,
            kind=kind,
            title=title,
            status="queued",
            done=0,
            total=0,
            unit="",
            rate=None,
            seconds_left=None,
            message="Waiting for a worker",
            error=None,
            created_at=now(),
            started_at=None,
            finished_at=None,
            priority=priority,
        )
        with self.writing() as writer:
            writer.save_job(record)

    def started(self, job_id: str) -> None:
        """A worker took the job, or took it up again. Raises as `raise_if_stopped`."""
        since = self.job(job_id).started_at or now()
        self._change(job_id, status="running", started_at=since, message="Starting")

    def at_stage(self, job_id: str, message: str, *, total: int, unit: str) -> None:
        """The job has come to another of its parts. Raises as `raise_if_stopped`.

        What cannot be written down now, because the disk is full or the database away, is left unsaid: work goes on.
        """
        with _left_unsaid():
            self._change(job_id, message=message, done=0, total=total, unit=unit, rate=None, seconds_left=None)

    def goes_on(self, job_id: str, message: str) -> None:
        """The job is at a part that it was at before, as far as it was. Raises and leaves unsaid as `at_stage`."""
        with _left_unsaid():
            self._change(job_id, message=message)

    def progressed(self, job_id: str, reading: Reading) -> None:
        """How far the stage is. Raises and leaves unsaid as `at_stage`."""
        with _left_unsaid():
            self._change(job_id, **_columns(reading))

    def shard_progressed(self, place: ShardPlace, done: int, pace: Callable[[int], Reading]) -> None:
        """How far one shard is, and with it its harvest and its job: the sum over all shards, whoever is at them.

        done: of the shard. pace: from the sum, how fast all of it goes. Raises and leaves unsaid as `at_stage`.
        """
        job_id, harvest_id = place.job_id, place.harvest_id
        with _left_unsaid():
            with self.writing() as writer:
                reading = pace(writer.shard_done(job_id, harvest_id, place.shard, done=done))
                values = _columns(reading) | {"message": HARVESTING, "unit": "tokens"}
                goes_on = writer.update_job(job_id, unless=STOPPED, **values)
                if goes_on:
                    writer.update_progress(harvest_id, tokens_done=reading.done)
            if not goes_on:
                self.raise_if_stopped(job_id)

    def ended(self, job_id: str, status: JobStatus, *, message: str = "", error: str | None = None) -> bool:
        """The job is over, and with it what it left running; False where it was over before, which stays as it is."""
        left = [] if status == "complete" else self._running_harvests(job_id)
        with self.writing() as writer:
            first = writer.update_job(
                job_id,
                unless=ENDED,
                status=status,
                message=message,
                error=error,
                finished_at=now(),
                seconds_left=None,
            )
            for harvest_id in left if first else ():
                writer.finish_harvest(
                    harvest_id, status="cancelled" if status == "cancelled" else "failed", error=error
                )
        return first

    def raise_if_stopped(self, job_id: str) -> None:
        """Raises JobCancelled where the job is over, stopped by somebody or failed, and JobPaused where it rests."""
        status = self.job(job_id).status
        if status in ENDED:
            raise JobCancelled(f"The job {job_id} is {status}, so its work stops here.")
        if status == "paused":
            raise JobPaused(f"The job {job_id} is paused, so its work rests here.")

    def _running_harvests(self, job_id: str) -> list[str]:
        with self.reading() as reader:
            return [h.id for h in reader.harvests() if h.job_id == job_id and h.status in ("queued", "running")]

    def _change(self, job_id: str, **values: Any) -> None:
        with self.writing() as writer:
            changed = writer.update_job(job_id, unless=STOPPED, **values)
        if not changed:
            self.raise_if_stopped(job_id)


def _columns(reading: Reading) -> dict[str, Any]:
    return {name: getattr(reading, name) for name in ("done", "total", "rate", "seconds_left")}


@contextmanager
def _left_unsaid() -> Iterator[None]:
    try:
        yield
    except (StorageFull, Unreachable, Busy) as error:
        log.warning("Progress could not be written down: %s", error)


def now() -> str:
    """The time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
