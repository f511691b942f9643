"""featurescope worker: run queued jobs until stopped."""

import logging
from collections.abc import Sequence

from worker.cli.options import verb_parser
from worker.cli.output import Output
from worker.jobs.settings import worker_settings
from worker.jobs.worker import run_worker

SAYS = """Run jobs from the queue (harvests, trainings, tokenising) until stopped with Ctrl-C or SIGTERM.

Stopping, or even killing, a worker at any moment loses nothing: the next worker goes on from the last
finished part. On SQLite one worker runs at a time; on Postgres start as many as you like, on any machine
that shares the database and FEATURESCOPE_STORE.

FEATURESCOPE_STORE=s3://bucket/x  where workers share corpora and partial results: a folder that all machines
                                see, or an S3-compatible store (default: FEATURESCOPE_HOME)
FEATURESCOPE_DEVICE=cuda:1      the device of this worker (default: the first GPU, else the CPU)
FEATURESCOPE_DTYPE=float32      bfloat16 or float32 (default: the faster one here)
FEATURESCOPE_DEVICE_JOBS=2      pieces of work at a time on the device (default 1)
FEATURESCOPE_MEMORY_LIMIT=4GiB  most memory that a harvest may make this worker hold: decides how much goes through
                                the model at once, and refuses beforehand what does not fit (default: no limit)
FEATURESCOPE_WORKER_METRICS_PORT=9101   answer Prometheus on this port of this machine (default: off)
FEATURESCOPE_LIVE_PORT=9200     where the app asks this worker for live inference (default: a free port of this
                                machine; FEATURESCOPE_LIVE_HOST=0.0.0.0 for an app on another, FEATURESCOPE_LIVE=no
                                for none)
FEATURESCOPE_LIVE_SECRET=...    what the app must show there (default: made once, kept in FEATURESCOPE_HOME)
FEATURESCOPE_LOG=json           write the log as a JSON object a line"""

log = logging.getLogger(__name__)


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    parser = verb_parser("worker", SAYS)
    parser.add_argument("--parent", type=int, metavar="PID", help="stop when the process of this id is gone")
    options = parser.parse_args(argv)
    output = Output(as_json=options.json)

    def ready(executor_id: str) -> None:
        log.info("The worker takes jobs.")
        output.result({"executor_id": executor_id})

    run_worker(worker_settings(), on_ready=ready, parent=options.parent)
    return 0
