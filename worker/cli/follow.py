"""Follows a job in the terminal until it ends: a bar with rate and time left, or a line now and then for a log."""

import sys
import time
from collections.abc import Callable
from dataclasses import replace

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TaskProgressColumn, TextColumn

from catalog.hindrance import hindrance
from catalog.records import JobRecord
from worker.cli.output import duration, human
from worker.jobs.errors import JobError
from worker.jobs.ledger import ENDED, Ledger
from worker.jobs.progress import Progress as Stage
from worker.jobs.progress import Reading

LOOK_EVERY_SECONDS = 0.3
LINE_EVERY_SECONDS = 5.0


def follow(ledger: Ledger, job_id: str, *, check: Callable[[], None] = lambda: None) -> JobRecord:
    """Returns the job when it is complete.

    check: called now and then; it raises where waiting has become pointless, because the worker is gone, say.
    Raises JobError with the job's own message where it failed or was stopped.
    """
    show = _Bar() if sys.stderr.isatty() else _Lines()
    with show:
        job = _job_now(ledger, job_id)
        while job.status not in ENDED:
            show.update(job)
            check()
            time.sleep(LOOK_EVERY_SECONDS)
            job = _job_now(ledger, job_id)
        show.update(job)
    if job.status != "complete":
        raise JobError(job.error or job.message or f"The job {job_id} was {job.status}.")
    return job


def _job_now(ledger: Ledger, job_id: str) -> JobRecord:
    """The job; where every worker that is up refuses it, with their reason for its message."""
    with ledger.reading() as reader:
        job, up = reader.job(job_id), [worker for worker in reader.workers() if worker.alive]
    return replace(job, message=hindrance(job, up) or job.message) if up else job


def describe(job: JobRecord) -> str:
    """A job's state in a line."""
    parts = [job.message or job.title or job.kind]
    if job.total and job.status not in ENDED:
        parts.append(f"{human(job.done)} of {human(job.total)} {job.unit}")
    if job.rate and job.status not in ENDED:
        parts.append(f"{human(job.rate)} {job.unit} a second")
    if job.seconds_left is not None and job.status == "running":
        parts.append(f"{duration(job.seconds_left)} left")
    return ", ".join(parts)


class _Bar:
    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[detail]}"),
            console=Console(stderr=True),
        )
        self._task: TaskID | None = None

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, job: JobRecord) -> None:
        title, _, detail = describe(job).partition(", ")
        if self._task is None:
            self._task = self._progress.add_task(title, detail=detail)
        self._progress.update(self._task, description=title, completed=job.done, total=job.total or None, detail=detail)


class _Lines:
    def __init__(self) -> None:
        self._message = ""
        self._next = 0.0

    def __enter__(self) -> "_Lines":
        return self

    def __exit__(self, *_: object) -> None:
        return

    def update(self, job: JobRecord) -> None:
        if job.message != self._message or time.monotonic() >= self._next:
            self._message, self._next = job.message, time.monotonic() + LINE_EVERY_SECONDS
            print(describe(job), file=sys.stderr, flush=True)


def terminal_stages(message: str, *, total: int, unit: str) -> Stage:
    """Parts of work that this process does itself, told on the terminal."""
    print(message, file=sys.stderr, flush=True)

    def tell(reading: Reading) -> None:
        rate = f", {human(reading.rate)} {unit} a second" if reading.rate else ""
        print(f"  {human(reading.done)} {unit}{rate}", file=sys.stderr, flush=True)

    return Stage(tell, total=total)
