"""What jobs write down about themselves in the catalog, so that pages and terminals can follow.

Each call is one short transaction.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from catalog.engine import session_scope
from catalog.reader import CatalogReader
from catalog.records import JobRecord, JobStatus
from catalog.writer import CatalogWriter
from sqlalchemy import Engine

from worker.jobs.errors import JobCancelled
from worker.jobs.progress import Reading

ENDED: frozenset[JobStatus] = frozenset({"complete", "failed", "cancelled"})


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

    def job(self, job_id: str) -> JobRecord:
        """Raises the catalog's NotFound where there is none."""
        with self.reading() as reader:
            return reader.job(job_id)

    def queued(self, job_id: str, *, kind: str, title: str) -> None:
        """Somebody asked for a job."""
        with self.writing() as writer:
            writer.add_job(job_id, kind=kind, title=title)

    def started(self, job_id: str) -> None:
        """A worker took the job, or took it up again. Raises JobCancelled where somebody stopped it meanwhile."""
        self.raise_if_cancelled(job_id)
        with self.writing() as writer:
            writer.update_job(job_id, status="running", started_at=now())

    def at_stage(self, job_id: str, message: str, *, total: int, unit: str) -> None:
        """The job has come to another of its parts."""
        with self.writing() as writer:
            writer.update_job(
                job_id, message=message, done=0, total=total, unit=unit, rate=None, seconds_left=None
            )

    def progressed(self, job_id: str, reading: Reading) -> None:
        """How far the stage is. Raises JobCancelled where somebody stopped the job."""
        self.raise_if_cancelled(job_id)
        with self.writing() as writer:
            writer.update_job(
                job_id,
                done=reading.done,
                total=reading.total,
                rate=reading.rate,
                seconds_left=reading.seconds_left,
            )

    def ended(self, job_id: str, status: JobStatus, *, message: str = "", error: str | None = None) -> None:
        """The job is over. One that was cancelled stays so."""
        with self.writing() as writer:
            writer.update_job(
                job_id, status=status, message=message, error=error, finished_at=now(), seconds_left=None
            )

    def raise_if_cancelled(self, job_id: str) -> None:
        """Raises JobCancelled where somebody stopped the job."""
        if self.job(job_id).status == "cancelled":
            raise JobCancelled(f"The job {job_id} was stopped.")


def now() -> str:
    """The time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
