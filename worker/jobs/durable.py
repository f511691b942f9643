"""DBOS as this project uses it: its settings, its tables, its queues, and the client that asks for work.

Only a worker launches DBOS. A workflow's arguments and results are JSON, never pickle.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer

from worker.jobs.settings import WorkerSettings

APPLICATION = "featurescope"
SCHEMA = "featurescope_jobs"
# Raised when the steps of a workflow change, so that a run begun under the old steps is not replayed under the new.
APPLICATION_VERSION = "2"

PARENT_QUEUE = "parents"
DEVICE_QUEUE = "device"
PARENTS_AT_ONCE = 4
POLLING_SECONDS = 0.2
LONGEST_COUNT = 10_000
PARENT_WORKFLOWS = frozenset({"harvest", "demo"})


def migrate_jobs_database(settings: WorkerSettings) -> None:
    """Make DBOS's tables, or bring them to this version. Harmless when they are there."""
    settings.home.mkdir(parents=True, exist_ok=True)
    DBOS.migrate(settings.jobs_database_url, schema=SCHEMA)


def launch(settings: WorkerSettings) -> None:
    """Start taking work in this process. The workflows are registered before."""
    DBOS.launch()
    DBOS.register_queue(PARENT_QUEUE, worker_concurrency=PARENTS_AT_ONCE, polling_interval_sec=POLLING_SECONDS)
    DBOS.register_queue(DEVICE_QUEUE, worker_concurrency=settings.device_jobs, polling_interval_sec=POLLING_SECONDS)


def configure(settings: WorkerSettings, executor_id: str) -> DBOS:
    """The DBOS of this process, not yet launched: no telemetry, no admin server, tables made beforehand."""
    config: DBOSConfig = {
        "name": APPLICATION,
        "system_database_url": settings.jobs_database_url,
        "dbos_system_schema": SCHEMA,
        "application_version": APPLICATION_VERSION,
        "executor_id": executor_id,
        "serializer": DBOSPortableJSONSerializer(),
        "enable_otlp": False,
        "run_migrations": False,
        "log_level": "CRITICAL",
    }
    return DBOS(config=config)


@contextmanager
def client(settings: WorkerSettings) -> Iterator[DBOSClient]:
    """A door for asking for work and looking at it, without running any."""
    door = DBOSClient(
        system_database_url=settings.jobs_database_url,
        dbos_system_schema=SCHEMA,
        serializer=DBOSPortableJSONSerializer(),
        application_name=APPLICATION,
        retry_connection_errors=False,
    )
    try:
        yield door
    finally:
        door.destroy()


def queue_lengths() -> dict[str, int]:
    """How many workflows wait on each queue, LONGEST_COUNT at most, in the process that runs DBOS."""
    waiting = DBOS.list_workflows(status="ENQUEUED", limit=LONGEST_COUNT, load_input=False, load_output=False)
    found = Counter(workflow.queue_name for workflow in waiting)
    return {queue: found[queue] for queue in (PARENT_QUEUE, DEVICE_QUEUE)}


def enqueue(settings: WorkerSettings, workflow: str, job_id: str, request: Mapping[str, Any]) -> None:
    """Ask for a workflow by name. Asking twice under one id is asking once."""
    queue = PARENT_QUEUE if workflow in PARENT_WORKFLOWS else DEVICE_QUEUE
    with client(settings) as door:
        door.enqueue({"workflow_name": workflow, "queue_name": queue, "workflow_id": job_id}, job_id, dict(request))


def is_at_work(settings: WorkerSettings, job_id: str) -> bool:
    """Whether some worker has the workflow of a job in hand; False while it waits on a queue, or is paused or over."""
    with client(settings) as door:
        return bool(door.list_workflows(workflow_ids=[job_id], status="PENDING", load_input=False, load_output=False))
