"""Reads jobs and the heartbeats of workers."""

from collections.abc import Iterable

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from catalog.clock import seconds_ago
from catalog.errors import NotFound
from catalog.records import JobRecord, Refusal, WorkerRecord
from catalog.schema import JobRow, RefusalRow, WorkerHeartbeatRow


def all_jobs(session: Session, limit: int) -> list[JobRecord]:
    """Jobs, newest first."""
    return [_job(row) for row in session.scalars(select(JobRow).order_by(JobRow.created_at.desc()).limit(limit))]


def counts_by_status(session: Session) -> dict[str, int]:
    """How many jobs there are of each status that occurs."""
    counted = session.execute(select(JobRow.status, func.count()).group_by(JobRow.status))
    return {status: number for status, number in counted}


def running_rates(session: Session) -> dict[str, float]:
    """Units a second of all running jobs together, by unit."""
    running = select(JobRow.unit, func.sum(JobRow.rate)).where(JobRow.status == "running", JobRow.rate.is_not(None))
    return {unit: float(rate or 0.0) for unit, rate in session.execute(running.group_by(JobRow.unit))}


def one_job(session: Session, job_id: str) -> JobRecord:
    """The job of that id."""
    row = session.get(JobRow, job_id)
    if row is None:
        raise NotFound("job", job_id, hint="The page /jobs lists those there are.")
    return _job(row)


def some_jobs(session: Session, ids: Iterable[str]) -> dict[str, JobRecord]:
    """The jobs of those ids that there are."""
    return {row.id: _job(row) for row in session.scalars(select(JobRow).where(JobRow.id.in_(list(ids))))}


def jobs_in(session: Session, statuses: Iterable[str]) -> list[JobRecord]:
    """Jobs of those statuses, the next first: by priority, then by age."""
    query = select(JobRow).where(JobRow.status.in_(list(statuses)))
    return [_job(row) for row in session.scalars(query.order_by(JobRow.priority.desc(), JobRow.created_at))]


def workers(session: Session, alive_within_s: float) -> list[WorkerRecord]:
    """Workers, the last heard of first."""
    alive_since = seconds_ago(alive_within_s)
    rows = session.scalars(select(WorkerHeartbeatRow).order_by(WorkerHeartbeatRow.last_seen_at.desc()))
    refusals: dict[str, list[Refusal]] = {}
    for refusal in session.scalars(select(RefusalRow).order_by(RefusalRow.executor_id, RefusalRow.job_id)):
        refusals.setdefault(refusal.executor_id, []).append(Refusal(refusal.job_id, refusal.reason))
    return [_worker(row, alive_since, tuple(refusals.get(row.executor_id, ()))) for row in rows]


def _job(row: JobRow) -> JobRecord:
    return JobRecord(**{name: getattr(row, name) for name in JobRecord.__dataclass_fields__})


def _worker(row: WorkerHeartbeatRow, alive_since: str, refuses: tuple[Refusal, ...]) -> WorkerRecord:
    names = [name for name in WorkerRecord.__dataclass_fields__ if name not in ("alive", "refuses")]
    values = {name: getattr(row, name) for name in names}
    return WorkerRecord(**values, alive=row.last_seen_at >= alive_since, refuses=refuses)
