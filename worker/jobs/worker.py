"""A worker process: takes jobs from the queues until it is told to stop, and looks after the work of dead workers."""

import logging
import os
import signal
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from importlib.metadata import version

from dbos import DBOS
from filelock import FileLock, Timeout

from catalog.engine import make_engine
from catalog.errors import CatalogError
from catalog.log_lines import add_process_fields
from catalog.records import WorkerRecord
from catalog.revision import check_revision
from worker.jobs import durable
from worker.jobs.at_work import AtWork
from worker.jobs.context import JobContext, make_context
from worker.jobs.errors import WorkerRunning
from worker.jobs.heartbeats import Heartbeat, Watch
from worker.jobs.leaving import STOPPED, leave
from worker.jobs.ledger import Ledger, now
from worker.jobs.metrics_door import open_metrics_door
from worker.jobs.patience import persistently
from worker.jobs.places import worker_lock_path
from worker.jobs.settings import WorkerSettings
from worker.jobs.starting_over import LOST, start_over
from worker.jobs.workflows import register_workflows
from worker.lm.placement import choose_device

log = logging.getLogger(__name__)


def run_worker(settings: WorkerSettings, *, on_ready: Callable[[str], None], parent: int | None = None) -> None:
    """Work until SIGTERM or SIGINT, then leave at once: whatever was under way is taken up by the next worker.

    on_ready: called with the executor id when jobs are being taken.
    parent: a process whose end is a sign to stop as well.
    Raises WorkerRunning where an SQLite catalog has its worker already, WrongRevision on another revision.
    """
    engine = make_engine(settings.catalog.database_url)
    check_revision(engine)
    with sole_worker(settings) if settings.on_sqlite else nullcontext():
        _serve(settings, Ledger(engine), on_ready, parent=parent)


@contextmanager
def sole_worker(settings: WorkerSettings) -> Iterator[None]:
    """Holds the lock of the home folder. Raises WorkerRunning where another process has it."""
    path = worker_lock_path(settings.home)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path, timeout=0):
            yield
    except Timeout:
        raise WorkerRunning(
            f"A worker already runs on the SQLite catalog in {settings.home}; it takes all jobs. Stop it first, or use "
            "Postgres (FEATURESCOPE_DATABASE_URL), on which many workers share the jobs."
        ) from None


def _serve(settings: WorkerSettings, ledger: Ledger, on_ready: Callable[[str], None], *, parent: int | None) -> None:
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    executor_id = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    heartbeat = Heartbeat(
        _beater(settings, ledger, executor_id),
        every_seconds=settings.heartbeat_seconds,
        on_error=_heartbeat_failed,
    )
    context = make_context(settings, ledger)
    add_process_fields(executor=executor_id)
    log.info("The worker %s begins on %s.", executor_id, choose_device(settings.device))
    open_metrics_door(settings, context.figures, executor_id)
    persistently(heartbeat.start, home=settings.home, tell=_heartbeat_failed)
    durable.configure(settings, executor_id)
    register_workflows(context)
    try:
        durable.launch(settings)
    except LOST as lost:
        start_over(context, lost)
    on_ready(executor_id)
    watch = Watch(stale_seconds=0.0 if settings.on_sqlite else settings.stale_seconds)
    while parent is None or os.getppid() == parent:
        _look_after(context, watch, executor_id)
        if stopping.wait(settings.heartbeat_seconds):
            break
    log.info("The worker stops; what is under way goes on when a worker is started again.")
    heartbeat.stop()
    with suppress(CatalogError), ledger.writing() as writer:
        writer.forget_worker(executor_id)
    leave(STOPPED)


def _heartbeat_failed(error: Exception) -> None:
    log.warning("The heartbeat could not be written: %s", error)


def _beater(settings: WorkerSettings, ledger: Ledger, executor_id: str) -> Callable[[], None]:
    device = str(choose_device(settings.device))

    def beat() -> None:
        with ledger.writing() as writer:
            writer.heartbeat(
                WorkerRecord(
                    executor_id=executor_id,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    version=version("featurescope"),
                    device=device,
                    last_seen_at=now(),
                    alive=True,
                )
            )

    return beat


def _look_after(context: JobContext, watch: Watch, executor_id: str) -> None:
    """Put the work of dead workers back on its queues, and what slipped from our hands; stop what was cancelled."""
    try:
        with context.ledger.reading() as reader:
            living = watch.living(reader.workers()) | {executor_id}
        take_over(living)
        take_up(context.at_work, executor_id)
        stop_cancelled(context.ledger)
    except Exception:  # whatever the database does, this worker's own jobs go on
        watch.look_away()
        log.warning("Looking after other workers failed; trying again soon.", exc_info=True)


def take_over(living: frozenset[str]) -> None:
    """Resume what workers outside `living` were at, each on the queue it came from, so that its limits hold."""
    for workflow in DBOS.list_workflows(status="PENDING", load_input=False, load_output=False):
        if workflow.executor_id not in living:
            log.warning("Taking over %s from %s.", workflow.workflow_id, workflow.executor_id)
            DBOS.resume_workflow(workflow.workflow_id, queue_name=workflow.queue_name)


def take_up(at_work: AtWork, executor_id: str) -> None:
    """Resume what this worker holds and nobody here is at: its end could not be written down when it came."""
    held = DBOS.list_workflows(status="PENDING", executor_id=executor_id, load_input=False, load_output=False)
    queues = {workflow.workflow_id: workflow.queue_name for workflow in held}
    for workflow_id in at_work.strays(queues):
        log.warning("Taking up %s again.", workflow_id)
        DBOS.resume_workflow(workflow_id, queue_name=queues[workflow_id])


def stop_cancelled(ledger: Ledger) -> None:
    """Cancel the workflows, children included, of jobs whose row says so."""
    active = DBOS.list_workflows(status=["PENDING", "ENQUEUED"], has_parent=False, load_input=False, load_output=False)
    for workflow in active:
        if ledger.job(workflow.workflow_id).status == "cancelled":
            DBOS.cancel_workflow(workflow.workflow_id, cancel_children=True)
