"""featurescope priority: let a job go sooner or later than others."""

import argparse
from collections.abc import Sequence

from catalog.writer import CatalogWriter
from worker.cli.job_verbs import add_job, ask_of_job
from worker.cli.options import priority_number, verb_parser

SAYS = """Change the priority of a job, waiting or running. Of what waits, the job of the highest priority goes first,
then the oldest. A harvest gives way at the end of a shard. Jobs are asked for with priority 0, or that
of --priority."""

EXAMPLES = """featurescope priority harvest-0123456789ab 10
featurescope priority harvest-0123456789ab -5"""


def main(argv: Sequence[str]) -> int:
    """Run the verb. Raises JobOver where the job is over already, BadRecord on a number out of range."""
    parser = verb_parser("priority", SAYS, examples=EXAMPLES)
    add_job(parser)
    parser.add_argument("priority", type=priority_number, help="from -100 to 100; the highest goes first")
    return ask_of_job(parser, argv, _act)


def _act(writer: CatalogWriter, options: argparse.Namespace) -> str:
    writer.set_priority(options.job, options.priority)
    return f"The job {options.job} has priority {options.priority}."
