"""featurescope resume: let a paused job go on."""

import argparse
from collections.abc import Sequence

from catalog.writer import CatalogWriter
from worker.cli.job_verbs import add_job, ask_of_job
from worker.cli.options import verb_parser

SAYS = """Let a job that was paused go on from its last finished part, in its place in the queue."""


def main(argv: Sequence[str]) -> int:
    """Run the verb. Raises JobOver where the job is over already."""
    parser = verb_parser("resume", SAYS, examples="featurescope resume harvest-0123456789ab")
    add_job(parser)
    return ask_of_job(parser, argv, _act)


def _act(writer: CatalogWriter, options: argparse.Namespace) -> str:
    writer.resume_job(options.job)
    return f"The job {options.job} goes on when a worker is free."
