"""Puts a job on the queue: a row that people see, and the workflow that does it."""

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from worker.jobs import durable
from worker.jobs.errors import JobError
from worker.jobs.ledger import Ledger
from worker.jobs.settings import WorkerSettings

WORKFLOWS = ("corpus", "train", "harvest", "demo")


def submit(
    settings: WorkerSettings,
    ledger: Ledger,
    workflow: str,
    request: Mapping[str, Any],
    *,
    title: str,
    priority: int = 0,
) -> str:
    """The id of the job. Raises JobError where the queue cannot be reached."""
    assert workflow in WORKFLOWS
    job_id = f"{workflow}-{uuid.uuid4().hex[:12]}"
    ledger.queued(job_id, kind=workflow, title=title, priority=priority)
    try:
        durable.enqueue(settings, workflow, job_id, request, priority=priority)
    except SQLAlchemyError as error:
        ledger.ended(job_id, "failed", error="The queue of jobs could not be reached.")
        raise JobError(f"The queue of jobs cannot be reached: {error}. Run: make migrate.") from error
    return job_id
