"""Asks a worker for a job and follows it; starts a worker of its own where none is running."""

import argparse
from collections.abc import Mapping
from typing import Any

from catalog.engine import make_engine
from catalog.records import JobRecord
from catalog.revision import check_revision
from worker.cli.follow import follow
from worker.cli.output import Output
from worker.cli.processes import Processes, worker_arguments
from worker.jobs.heartbeats import Watch
from worker.jobs.ledger import Ledger
from worker.jobs.settings import WorkerSettings
from worker.jobs.submit import submit


def open_ledger(settings: WorkerSettings) -> Ledger:
    """The catalog of these settings. Raises WrongRevision where it is older or newer than the code."""
    engine = make_engine(settings.catalog.database_url)
    check_revision(engine)
    return Ledger(engine)


def ask(
    settings: WorkerSettings,
    workflow: str,
    request: Mapping[str, Any],
    *,
    title: str,
    following: argparse.Namespace,
    output: Output,
) -> JobRecord:
    """Returns the job: queued where it is only put on the queue, else complete. Raises JobError where it failed.

    following: the options of `add_following`.
    """
    ledger = open_ledger(settings)
    job_id = submit(settings, ledger, workflow, request, title=title, priority=following.priority)
    if following.detach:
        output.say(f"The job {job_id} waits for a worker. See it with: featurescope status")
        return ledger.job(job_id)
    if worker_is_up(settings, ledger):
        return follow(ledger, job_id)
    output.say("No worker is running, so one is started for this job.")
    with Processes() as processes:
        processes.start("worker", worker_arguments())
        return follow(ledger, job_id, check=processes.check)


def worker_is_up(settings: WorkerSettings, ledger: Ledger) -> bool:
    """Whether some worker would take a job now."""
    with ledger.reading() as reader:
        heard = [worker for worker in reader.workers() if worker.alive]
    return bool(Watch(stale_seconds=settings.stale_seconds).living(heard))
