"""Reads jobs and the heartbeats of workers."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalog.clock import seconds_ago
from catalog.errors import NotFound
from catalog.records import JobRecord, WorkerRecord
from catalog.schema import JobRow, WorkerHeartbeatRow


def all_jobs(session: Session, limit: int) -> list[JobRecord]:
    """Jobs, newest first."""
    return [_job(row) for row in session.scalars(select(JobRow).order_by(JobRow.created_at.desc()).limit(limit))]


def one_job(session: Session, job_id: str) -> JobRecord:
    """The job of that id."""
    row = session.get(JobRow, job_id)
    if row is None:
        raise NotFound("job", job_id, hint="The page /jobs lists those there are.")
    return _job(row)


def workers(session: Session, alive_within_s: float) -> list[WorkerRecord]:
    """Workers, the last heard of first."""
    alive_since = seconds_ago(alive_within_s)
    rows = session.scalars(select(WorkerHeartbeatRow).order_by(WorkerHeartbeatRow.last_seen_at.desc()))
    return [_worker(row, alive_since) for row in rows]


def _job(row: JobRow) -> JobRecord:
    return JobRecord(**{name: getattr(row, name) for name in JobRecord.__dataclass_fields__})


def _worker(row: WorkerHeartbeatRow, alive_since: str) -> WorkerRecord:
    names = [name for name in WorkerRecord.__dataclass_fields__ if name != "alive"]
    return WorkerRecord(**{name: getattr(row, name) for name in names}, alive=row.last_seen_at >= alive_since)
