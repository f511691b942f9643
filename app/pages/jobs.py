"""Jobs and workers: how far each is, how fast, and how long it will take."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.pages.numbers import count, duration, significant
from catalog.hindrance import hindrance
from catalog.records import JobRecord, WorkerRecord

ACTIVE = frozenset({"queued", "running", "paused"})


@dataclass(frozen=True, slots=True)
class Control:
    """A button that asks something of a job. act: the last part of the address it posts to."""

    act: str
    label: str


@dataclass(frozen=True, slots=True)
class JobView:
    """One job. percent: 0 to 100, or None where the total is not known. standstill: why it does not move."""

    id: str
    title: str
    kind: str
    status: str
    percent: float | None
    done: str
    pace: str
    message: str
    error: str
    times: str
    priority: str
    standstill: str
    controls: tuple[Control, ...]
    is_active: bool


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One worker process. refuses: what it cannot do, a sentence for each job."""

    name: str
    device: str
    version: str
    state: str
    is_alive: bool
    refuses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JobsPage:
    """Jobs, newest first, and workers. is_active: something is under way, so the list asks again."""

    jobs: tuple[JobView, ...]
    workers: tuple[WorkerView, ...]
    is_active: bool
    advice: str


def jobs_page(jobs: Iterable[JobRecord], workers: Iterable[WorkerRecord]) -> JobsPage:
    """Build the page."""
    workers = tuple(workers)
    views = tuple(job_view(job, workers) for job in jobs)
    worker_views = tuple(_worker(worker) for worker in workers)
    is_active = any(view.is_active for view in views)
    alive = any(worker.is_alive for worker in worker_views)
    advice = (
        ""
        if alive
        else "No worker is up, so nothing moves and pages are read-only. Start one with: featurescope worker"
    )
    return JobsPage(views, worker_views, is_active, advice)


def job_view(job: JobRecord, workers: Iterable[WorkerRecord] = ()) -> JobView:
    """One job as it is shown. Why it stands still is told only beside workers that are up."""
    up = tuple(worker for worker in workers if worker.alive)
    percent = None if job.total <= 0 else min(100.0, 100 * job.done / job.total)
    done = f"{count(job.done)} of {count(job.total)} {job.unit}" if job.total > 0 else ""
    return JobView(
        id=job.id,
        title=job.title,
        kind=job.kind,
        status=job.status,
        percent=None if percent is None else round(percent, 1),
        done=done,
        pace=_pace(job),
        message=job.message,
        error=job.error or "",
        times=_times(job),
        priority=_priority(job),
        standstill=hindrance(job, up) if up else "",
        controls=_controls(job),
        is_active=job.status in ACTIVE,
    )


def _controls(job: JobRecord) -> tuple[Control, ...]:
    if job.status not in ACTIVE:
        return ()
    rest = Control("resume", "Resume") if job.status == "paused" else Control("pause", "Pause")
    return (rest, Control("cancel", "Stop"), Control("sooner", "Sooner"), Control("later", "Later"))


def _priority(job: JobRecord) -> str:
    return f"priority {job.priority}" if job.status in ACTIVE and job.priority else ""


def _pace(job: JobRecord) -> str:
    if job.status != "running" or not job.rate:
        return ""
    rate = count(round(job.rate)) if job.rate >= 10 else significant(job.rate)
    left = "" if job.seconds_left is None else f", {duration(job.seconds_left)} left"
    return f"{rate} {job.unit} a second{left}"


def _times(job: JobRecord) -> str:
    if job.finished_at:
        return f"finished {_minute(job.finished_at)}"
    return f"started {_minute(job.started_at)}" if job.started_at else f"asked for {_minute(job.created_at)}"


def _minute(iso: str) -> str:
    return iso[:16].replace("T", " ") + " UTC"


def _worker(worker: WorkerRecord) -> WorkerView:
    state = "up" if worker.alive else f"last heard of {_minute(worker.last_seen_at)}"
    refuses = tuple(f"{refusal.job_id}: {refusal.reason}" for refusal in worker.refuses)
    name = f"{worker.host}, process {worker.pid}"
    return WorkerView(name, worker.device, worker.version, state, worker.alive, refuses)
