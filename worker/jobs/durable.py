"""DBOS as this project uses it: its settings, its tables, its queues, and the client that asks for work.

Only a worker launches DBOS. A workflow's arguments and results are JSON, never pickle.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer, EnqueueOptions

from catalog.records import HIGHEST_PRIORITY
from worker.jobs.settings import ANY_POSTGRES, WorkerSettings

APPLICATION = "featurescope"
SCHEMA = "featurescope_jobs"
# Raised when the steps of a workflow change, so that a run begun under the old steps is not replayed under the new.
APPLICATION_VERSION = "4"

PARENT_QUEUE = "parents"
DEVICE_QUEUE = "device"
PARENTS_AT_ONCE = 8
POLLING_SECONDS = 0.2
LONGEST_COUNT = 10_000
PARENT_WORKFLOWS = frozenset({"harvest", "demo"})


def software_version() -> str:
    """Of what a worker runs: two that differ in it do not work on one catalog at the same time."""
    return f"{version('featurescope')}+jobs.{APPLICATION_VERSION}"


def migrate_jobs_database(settings: WorkerSettings) -> None:
    """Make DBOS's tables, or bring them to this version. Harmless when they are there."""
    settings.home.mkdir(parents=True, exist_ok=True)
    DBOS.migrate(settings.jobs_database_url, schema=SCHEMA)


def launch(settings: WorkerSettings, executor_id: str) -> "Listening":
    """Start taking work in this process. The workflows are registered before."""
    dbos = configure(settings, executor_id)
    DBOS.listen_queues([PARENT_QUEUE, DEVICE_QUEUE])
    DBOS.launch()
    # What a client asks for goes to the latest version, even where that one is older than the one before.
    DBOS.set_latest_application_version(APPLICATION_VERSION)
    listening = Listening(dbos, settings)
    listening.register(PARENT_QUEUE)
    listening.register(DEVICE_QUEUE)
    return listening


class Listening:
    """The queues that this process takes work from, which change when workers hand work back.

    What some workers cannot do waits on queues of that job alone: those that refuse the job do not listen to them.
    """

    def __init__(self, dbos: DBOS, settings: WorkerSettings) -> None:
        self._dbos = dbos
        self._settings = settings

    def register(self, queue: str) -> None:
        """Make the queue known to all workers, with its limits."""
        limit = PARENTS_AT_ONCE if queue.startswith(PARENT_QUEUE) else self._settings.device_jobs
        DBOS.register_queue(queue, worker_concurrency=limit, polling_interval_sec=POLLING_SECONDS)

    def to(self, queue: str) -> None:
        """Take work from this queue as well, from the next second on."""
        queues = self._dbos._listening_queues  # DBOS reads it every second, but offers no way to add to it
        assert queues is not None
        if queue not in queues:
            queues.append(queue)


def queue_of(workflow: str, job_id: str | None = None) -> str:
    """The queue of a workflow by name; with a job, the queue of what some worker has handed back of it."""
    queue = PARENT_QUEUE if workflow in PARENT_WORKFLOWS else DEVICE_QUEUE
    return queue if job_id is None else f"{queue} for {job_id}"


def rank(priority: int) -> int:
    """A job's priority as DBOS counts: the lowest goes first, from 1 on."""
    return HIGHEST_PRIORITY + 1 - priority


def set_priorities(settings: WorkerSettings, priorities: Mapping[str, int]) -> None:
    """Move the workflows of jobs that wait, and those that will, to their places in the queues.

    DBOS takes what waits by this column, and has no call that changes it.
    """
    if not priorities:
        return
    names = ("workflow_uuid", "parent_workflow_id", "status", "priority")
    table = sa.table("workflow_status", *map(sa.column, names), schema=None if settings.on_sqlite else SCHEMA)
    engine = sa.create_engine(ANY_POSTGRES.sub("postgresql+psycopg://", settings.jobs_database_url))
    try:
        with engine.begin() as connection:
            for job_id, priority in priorities.items():
                mine = sa.or_(table.c.workflow_uuid == job_id, table.c.parent_workflow_id == job_id)
                wait = table.c.status.in_(("ENQUEUED", "PENDING", "CANCELLED"))
                connection.execute(sa.update(table).where(mine, wait).values(priority=rank(priority)))
    finally:
        engine.dispose()


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


def enqueue(
    settings: WorkerSettings, workflow: str, job_id: str, request: Mapping[str, Any], *, priority: int = 0
) -> None:
    """Ask for a workflow by name. Asking twice under one id is asking once."""
    with client(settings) as door:
        options: EnqueueOptions = {
            "workflow_name": workflow,
            "queue_name": queue_of(workflow),
            "workflow_id": job_id,
            "priority": rank(priority),
        }
        door.enqueue(options, job_id, dict(request))


def is_at_work(settings: WorkerSettings, job_id: str) -> bool:
    """Whether some worker has the workflow of a job in hand; False while it waits on a queue, or is paused or over."""
    with client(settings) as door:
        return bool(door.list_workflows(workflow_ids=[job_id], status="PENDING", load_input=False, load_output=False))
