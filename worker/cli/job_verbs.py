"""What the verbs that name a job share: its id, the look at the catalog, and the last line."""

import argparse
from collections.abc import Callable, Sequence

from catalog.writer import CatalogWriter
from worker.cli.asking import open_ledger
from worker.cli.output import Output
from worker.jobs.settings import worker_settings


def add_job(parser: argparse.ArgumentParser) -> None:
    """The id of a job."""
    parser.add_argument("job", help="id of the job, as featurescope status shows it")


def ask_of_job(
    parser: argparse.ArgumentParser,
    argv: Sequence[str],
    act: Callable[[CatalogWriter, argparse.Namespace], str],
) -> int:
    """Read the words, act in one transaction, and say what `act` says. Raises NotFound, and JobOver."""
    options = parser.parse_args(argv)
    output = Output(as_json=options.json)
    ledger = open_ledger(worker_settings())
    with ledger.writing() as writer:
        said = act(writer, options)
    job = ledger.job(options.job)
    output.say(said)
    output.result({"job": job.id, "status": job.status, "priority": job.priority})
    return 0
