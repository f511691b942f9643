"""featurescope pause: let a job rest."""

import argparse
from collections.abc import Sequence

from catalog.writer import CatalogWriter
from worker.cli.job_verbs import add_job, ask_of_job
from worker.cli.options import verb_parser

SAYS = """Let a job rest, running or waiting. Workers stop within some seconds and turn to other jobs; finished parts
stay.

featurescope resume JOB lets it go on."""


def main(argv: Sequence[str]) -> int:
    """Run the verb. Raises JobOver where the job is over already."""
    parser = verb_parser("pause", SAYS, examples="featurescope pause harvest-0123456789ab")
    add_job(parser)
    return ask_of_job(parser, argv, _act)


def _act(writer: CatalogWriter, options: argparse.Namespace) -> str:
    writer.pause_job(options.job)
    return f"The job {options.job} rests. It goes on with: featurescope resume {options.job}"
