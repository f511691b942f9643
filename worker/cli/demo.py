"""featurescope demo: harvest the bundled model and browse its features."""

from collections.abc import Sequence

from catalog.errors import NotFound
from catalog.records import DictionaryRecord
from worker.cli.asking import open_ledger
from worker.cli.follow import follow
from worker.cli.migrate import migrate_all
from worker.cli.options import add_address, verb_parser
from worker.cli.output import Output
from worker.cli.processes import Processes, app_arguments, check_port_is_free, worker_arguments
from worker.jobs.demo_key import demo_key
from worker.jobs.durable import enqueue
from worker.jobs.ledger import Ledger
from worker.jobs.requests import DemoRequest, to_json
from worker.jobs.settings import WorkerSettings, worker_settings

SAYS = """Set up the bundled language model and its dictionaries, harvest them over the Python standard library of this
machine, and serve the pages. The pages come up first and show how far the harvest is.

Everything is computed once: a second start serves at once. Nothing is downloaded."""

EXAMPLES = """featurescope demo
featurescope demo --port 9000"""


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    parser = verb_parser("demo", SAYS, examples=EXAMPLES)
    add_address(parser)
    parser.add_argument("--no-serve", action="store_true", help="compute, print where the result is, and stop")
    options = parser.parse_args(argv)
    output = Output(as_json=options.json)
    settings = worker_settings()
    if not options.no_serve:
        check_port_is_free(options.host, options.port)
    migrate_all(settings)
    url = f"http://{options.host}:{options.port}"
    with Processes() as processes:
        if not options.no_serve:
            processes.start("app", app_arguments(options, access_log=False))
            output.say(f"Featurescope is at {url}/ (Ctrl-C stops it).")
        ledger = open_ledger(settings)
        processes.start("worker", worker_arguments())
        follow(ledger, ask_for_demo(settings, ledger), check=processes.check)
        shown = _harvested(ledger)
        _tell(output, url, shown, serves=not options.no_serve)
        if not options.no_serve:
            processes.wait()
    return 0


def ask_for_demo(settings: WorkerSettings, ledger: Ledger) -> str:
    """The id of the demo's job: the one that is done or under way, else a new one."""
    key, attempt = demo_key(), 1
    while (status := _status(ledger, f"demo-{key}-{attempt}")) in ("failed", "cancelled"):
        attempt += 1
    job_id = f"demo-{key}-{attempt}"
    if status is None:
        ledger.queued(job_id, kind="demo", title="Demo: the bundled model over the Python standard library")
    if status != "complete":
        enqueue(settings, "demo", job_id, to_json(DemoRequest(key=key)))
    return job_id


def _status(ledger: Ledger, job_id: str) -> str | None:
    try:
        return ledger.job(job_id).status
    except NotFound:
        return None


def _harvested(ledger: Ledger) -> list[DictionaryRecord]:
    with ledger.reading() as reader:
        records = reader.dictionaries()
    return [record for record in records if record.harvest is not None and record.harvest.status == "complete"]


def _tell(output: Output, url: str, shown: list[DictionaryRecord], *, serves: bool) -> None:
    for record in shown:
        output.say(f"  {url}/d/{record.slug}" if serves else f"  {record.slug}: {record.d_sae} features")
    output.result({"url": url, "dictionaries": [record.slug for record in shown]})
