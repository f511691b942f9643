"""Writes jobs and the heartbeats of workers."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from catalog.clock import now
from catalog.records import JobRecord, WorkerRecord
from catalog.schema import JobRow, WorkerHeartbeatRow
from catalog.writer.upserts import upsert


def save_job(session: Session, record: JobRecord) -> None:
    """Adds a job or overwrites it."""
    upsert(session, JobRow, [{name: getattr(record, name) for name in record.__dataclass_fields__}])


def update_job(session: Session, job_id: str, values: Mapping[str, Any], *, unless: Collection[str]) -> bool:
    """Changes columns of a job, unless its status is one of those given; whether it did."""
    query = update(JobRow).where(JobRow.id == job_id, JobRow.status.not_in(unless)).values(**values)
    return session.execute(query.returning(JobRow.id)).first() is not None


def heartbeat(session: Session, record: WorkerRecord) -> None:
    """Writes down that a worker lives."""
    row = {name: getattr(record, name) for name in record.__dataclass_fields__ if name != "alive"}
    upsert(session, WorkerHeartbeatRow, [row | {"last_seen_at": now()}])


def forget_worker(session: Session, executor_id: str) -> None:
    """Removes a worker."""
    session.execute(delete(WorkerHeartbeatRow).where(WorkerHeartbeatRow.executor_id == executor_id))
