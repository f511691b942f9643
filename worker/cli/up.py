"""featurescope up: the app and a worker, started and stopped together."""

from collections.abc import Sequence

from worker.cli.migrate import migrate_all
from worker.cli.options import add_address, verb_parser
from worker.cli.output import Output
from worker.cli.processes import Processes, app_arguments, check_port_is_free, worker_arguments
from worker.jobs.settings import worker_settings

SAYS = """Start the app and a worker on this machine, and stop both with Ctrl-C.

The pages come up first. A job that was under way when you stopped goes on."""

EXAMPLES = """featurescope up
featurescope up --port 9000
FEATURESCOPE_HOME=/mnt/big featurescope up"""


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    parser = verb_parser("up", SAYS, examples=EXAMPLES)
    add_address(parser)
    options = parser.parse_args(argv)
    output = Output(as_json=options.json)
    check_port_is_free(options.host, options.port)
    migrate_all(worker_settings())
    with Processes() as processes:
        processes.start("app", app_arguments(options))
        processes.start("worker", worker_arguments())
        url = f"http://{options.host}:{options.port}/"
        output.say(f"Featurescope is at {url} (Ctrl-C stops it).")
        output.result({"url": url})
        processes.wait()
    return 0
