"""featurescope cancel: stop a job."""

import argparse
from collections.abc import Sequence

from catalog.writer import CatalogWriter
from worker.cli.job_verbs import add_job, ask_of_job
from worker.cli.options import verb_parser

SAYS = """Stop a job, running, paused or waiting, on whichever machines it is. Finished parts stay: asking for the same
harvest again goes on from them.

featurescope status lists the jobs and their ids."""


def main(argv: Sequence[str]) -> int:
    """Run the verb. Raises JobOver where the job is over already."""
    parser = verb_parser("cancel", SAYS, examples="featurescope cancel harvest-0123456789ab")
    add_job(parser)
    return ask_of_job(parser, argv, _act)


def _act(writer: CatalogWriter, options: argparse.Namespace) -> str:
    writer.cancel_job(options.job)
    return f"The job {options.job} stops at its next step."
