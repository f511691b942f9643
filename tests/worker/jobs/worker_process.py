"""A real worker in a process of its own, to be killed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from worker.jobs.ledger import Ledger
from worker.jobs.settings import WorkerSettings

PATIENCE_SECONDS = 240.0


@contextmanager
def worker_process(
    settings: WorkerSettings,
    *,
    limits: Callable[[], None] | None = None,
    log: IO[str] | None = None,
    **environment: str,
) -> Iterator[subprocess.Popen[str]]:
    """Started by the console command; killed at the end if it still runs.

    limits: called in the child first. log: where its words go; else they are kept for whoever asks.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "featurescope", "worker"],
        env={**os.environ, **worker_environment(settings), **environment},
        cwd=Path(__file__).parents[3],
        stdout=log or subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=limits,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def worker_environment(settings: WorkerSettings) -> Mapping[str, str]:
    """What tells a process of these settings."""
    return {
        "FEATURESCOPE_HOME": str(settings.home),
        "FEATURESCOPE_DATABASE_URL": settings.catalog.database_url,
        "FEATURESCOPE_DEVICE": "cpu",
        "FEATURESCOPE_DTYPE": "float32",
        "FEATURESCOPE_HEARTBEAT_SECONDS": "0.3",
        "FEATURESCOPE_STALE_SECONDS": "20",
        "OMP_NUM_THREADS": "1",
    }


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Looks again and again; fails with `what` when it takes too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.05)


def wait_for_end(ledger: Ledger, job_id: str) -> str:
    """The status in which a job ends."""
    wait_until(lambda: ledger.job(job_id).finished_at is not None, f"the job ends: {ledger.job(job_id)}")
    return ledger.job(job_id).status
