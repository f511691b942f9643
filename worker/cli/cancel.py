"""featurescope cancel: stop a job."""

from collections.abc import Sequence

from catalog.engine import make_engine
from catalog.revision import check_revision
from worker.cli.options import verb_parser
from worker.cli.output import Output
from worker.jobs.errors import JobError
from worker.jobs.ledger import ENDED, Ledger
from worker.jobs.settings import worker_settings

SAYS = """Stop a job, running or waiting. Finished parts stay on disk: asking for the same harvest again goes on
from them.

featurescope status lists the jobs and their ids."""


def main(argv: Sequence[str]) -> int:
    """Run the verb. Raises JobError where the job is over already."""
    parser = verb_parser("cancel", SAYS, examples="featurescope cancel harvest-0123456789ab")
    parser.add_argument("job", help="id of the job, as featurescope status shows it")
    options = parser.parse_args(argv)
    output = Output(as_json=options.json)
    engine = make_engine(worker_settings().catalog.database_url)
    check_revision(engine)
    ledger = Ledger(engine)
    job = ledger.job(options.job)
    if job.status in ENDED:
        raise JobError(f"The job {job.id} is over already: it is {job.status}.")
    ledger.ended(job.id, "cancelled", message="Stopped by hand.")
    output.say(f"The job {job.id} stops at its next step.")
    output.result({"job": job.id, "status": "cancelled"})
    return 0
