"""What people do to a job: stop it, let it rest, let it go on, let it go first.

Only its row changes here. Workers look at the rows and act: they stop at the next batch, and take it up again.
"""

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from catalog.clock import now
from catalog.errors import BadRecord, JobOver
from catalog.reader.jobs import one_job
from catalog.records import ENDED, HIGHEST_PRIORITY, JobStatus
from catalog.schema import HarvestRow, JobRow
from catalog.writer.harvests import finish


def cancel(session: Session, job_id: str, *, message: str) -> None:
    """The job is over, and with it what it left running. Raises NotFound, and JobOver where it was over before."""
    _change(session, job_id, status="cancelled", message=message, finished_at=now(), seconds_left=None, rate=None)
    left = (HarvestRow.job_id == job_id, HarvestRow.status.in_(("queued", "running", "paused")))
    for harvest_id in session.scalars(select(HarvestRow.key).where(*left)).all():
        finish(session, harvest_id, status="cancelled", error=None, totals={})


def pause(session: Session, job_id: str) -> None:
    """The job rests, wherever it is. Raises as `cancel`."""
    _change(session, job_id, status="paused", message="Paused", seconds_left=None, rate=None)


def resume(session: Session, job_id: str) -> None:
    """A job that rests goes on when a worker is free; any other stays as it is. Raises as `cancel`."""
    _change(session, job_id, only="paused", status="queued", message="Waiting for a worker")


def set_priority(session: Session, job_id: str, priority: int) -> None:
    """Raises as `cancel`, and BadRecord on a number beyond the range."""
    if not -HIGHEST_PRIORITY <= priority <= HIGHEST_PRIORITY:
        raise BadRecord(f"A priority goes from {-HIGHEST_PRIORITY} to {HIGHEST_PRIORITY}; {priority} does not.")
    _change(session, job_id, priority=priority)


def _change(session: Session, job_id: str, *, only: JobStatus | None = None, **values: Any) -> None:
    session.execute(select(JobRow.id).where(JobRow.id == job_id).with_for_update())
    status = one_job(session, job_id).status
    if status in ENDED:
        raise JobOver(f"The job {job_id!r} is over already: it is {status}.")
    if only in (None, status):
        session.execute(update(JobRow).where(JobRow.id == job_id).values(**values))
