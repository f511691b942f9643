"""Writes jobs and the heartbeats of workers."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from catalog.clock import now
from catalog.records import JobRecord, WorkerRecord
from catalog.schema import JobRow, RefusalRow, ShardProgressRow, WorkerHeartbeatRow
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
    row = {name: getattr(record, name) for name in record.__dataclass_fields__ if name not in ("alive", "refuses")}
    upsert(session, WorkerHeartbeatRow, [row | {"last_seen_at": now()}])


def forget_worker(session: Session, executor_id: str) -> None:
    """Removes a worker, and what it refused."""
    for kind in (WorkerHeartbeatRow, RefusalRow):
        session.execute(delete(kind).where(kind.executor_id == executor_id))


def refuse(session: Session, executor_id: str, job_id: str, reason: str) -> None:
    """Writes down that a worker cannot do a job."""
    upsert(session, RefusalRow, [{"executor_id": executor_id, "job_id": job_id, "reason": reason}])


def forget_refusals(session: Session, job_id: str) -> None:
    """Nobody refuses the job any more."""
    session.execute(delete(RefusalRow).where(RefusalRow.job_id == job_id))


def shard_done(session: Session, job_id: str, harvest_id: str, shard: int, *, done: int) -> int:
    """Writes down how far a shard is, never less than before; the sum over all shards of its harvest.

    The job's row is held until the end of the transaction, so that of two workers the second sees the first's figure.
    """
    session.execute(select(JobRow.id).where(JobRow.id == job_id).with_for_update())
    before = session.get(ShardProgressRow, (harvest_id, shard), populate_existing=True)
    most = max(done, before.done if before is not None else 0)
    upsert(session, ShardProgressRow, [{"harvest_id": harvest_id, "shard": shard, "done": most}])
    total = select(func.coalesce(func.sum(ShardProgressRow.done), 0))
    return int(session.scalar(total.where(ShardProgressRow.harvest_id == harvest_id)) or 0)
