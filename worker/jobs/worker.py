"""A worker process: takes jobs from the queues until it is told to stop."""

import logging
import os
import signal
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace

from filelock import FileLock, Timeout

from catalog.engine import make_engine
from catalog.errors import CatalogError
from catalog.log_lines import add_process_fields
from catalog.records import WorkerRecord
from catalog.revision import check_revision
from worker.jobs.caretaker import Caretaker
from worker.jobs.context import make_context
from worker.jobs.device_claim import claim_device
from worker.jobs.durable import launch, set_priorities, software_version
from worker.jobs.errors import OtherVersion, WorkerRunning
from worker.jobs.heartbeats import Heartbeat, Watch
from worker.jobs.leaving import STOPPED, leave
from worker.jobs.ledger import Ledger, now
from worker.jobs.live_door import open_live_door
from worker.jobs.metrics_door import open_metrics_door
from worker.jobs.patience import persistently, what_is_waited_for
from worker.jobs.places import worker_lock_path
from worker.jobs.settings import WorkerSettings
from worker.jobs.starting_over import LOST, start_over
from worker.jobs.workflows import register_workflows

log = logging.getLogger(__name__)


def run_worker(settings: WorkerSettings, *, on_ready: Callable[[str], None], parent: int | None = None) -> None:
    """Work until SIGTERM or SIGINT, then leave at once: whatever was under way is taken up by the next worker.

    on_ready: called with the executor id when jobs are being taken.
    parent: a process whose end is a sign to stop as well.
    Raises WorkerRunning where an SQLite catalog has its worker already, WrongRevision on another revision of the
    database, OtherVersion where workers of another version are up, DeviceTaken where another has the GPU.
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
    if not settings.on_sqlite:
        refuse_beside_others(ledger, Watch(stale_seconds=settings.stale_seconds))
    claim = claim_device(settings)
    settings = replace(settings, device=claim.device)
    context = make_context(settings, ledger)
    stopping, wake = threading.Event(), context.returns.wake
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: (stopping.set(), wake.set()))
    executor_id = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    add_process_fields(executor=executor_id)
    log.info("The worker %s begins: %s on %s.", executor_id, software_version(), claim.device)
    log.info("Corpora and partial results lie in %s.", context.store.name)
    live_address = persistently(lambda: open_live_door(context), home=settings.home, tell=_door_waits)
    heartbeat = Heartbeat(
        _beater(settings, ledger, executor_id, live_address),
        every_seconds=settings.heartbeat_seconds,
        on_error=_heartbeat_failed,
    )
    open_metrics_door(settings, context.figures, executor_id)
    persistently(heartbeat.start, home=settings.home, tell=_heartbeat_failed)
    register_workflows(context)
    try:
        _set_all_priorities(settings, ledger)
        listening = launch(settings, executor_id)
    except LOST as lost:
        start_over(context, lost)
    on_ready(executor_id)
    caretaker = Caretaker(context, listening, executor_id=executor_id)
    while not stopping.is_set() and (parent is None or os.getppid() == parent):
        caretaker.look()
        wake.wait(settings.heartbeat_seconds)
        wake.clear()
    log.info("The worker stops; what is under way goes on when a worker is started again.")
    heartbeat.stop()
    with suppress(CatalogError), ledger.writing() as writer:
        writer.forget_worker(executor_id)
    leave(STOPPED)


def _set_all_priorities(settings: WorkerSettings, ledger: Ledger) -> None:
    """What people changed while no worker was up holds before anything is taken."""
    with ledger.reading() as reader:
        jobs = reader.jobs_in("queued", "running", "paused")
    set_priorities(settings, {job.id: job.priority for job in jobs})


def refuse_beside_others(ledger: Ledger, watch: Watch) -> None:
    """Raises OtherVersion where workers that are up run another version: their numbers might not be the same."""
    with ledger.reading() as reader:
        heard = [worker for worker in reader.workers() if worker.alive]
    living, mine = watch.living(heard), software_version()
    for worker in heard:
        if worker.executor_id in living and worker.version != mine:
            raise OtherVersion(
                f"The worker {worker.executor_id} on {worker.host} runs Featurescope {worker.version}, and this one is "
                f"{mine}. All workers of a catalog run the same version: install that one here, or stop all workers "
                "of the other first; their jobs go on with this one."
            )


def _heartbeat_failed(error: Exception) -> None:
    log.warning("The heartbeat could not be written: %s", error)


def _door_waits(error: Exception) -> None:
    log.warning("%s to open the live door: %s", what_is_waited_for(error), error)


def _beater(settings: WorkerSettings, ledger: Ledger, executor_id: str, live_address: str | None) -> Callable[[], None]:
    def beat() -> None:
        with ledger.writing() as writer:
            writer.heartbeat(
                WorkerRecord(
                    executor_id=executor_id,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    version=software_version(),
                    device=settings.device,
                    last_seen_at=now(),
                    alive=True,
                    live_address=live_address,
                )
            )

    return beat
