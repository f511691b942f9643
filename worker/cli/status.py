"""featurescope status: dictionaries, harvests, jobs and workers."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from catalog.hindrance import hindrance
from catalog.records import ENDED, DictionaryRecord, HarvestRecord, JobRecord, WorkerRecord
from worker.cli.asking import open_ledger
from worker.cli.follow import describe
from worker.cli.options import verb_parser
from worker.cli.output import Output, human
from worker.jobs.kept import kept_bytes
from worker.jobs.settings import worker_settings
from worker.jobs.store import open_store

SAYS = """Show models, dictionaries with their harvests, the latest jobs, and the workers that are up.

With --require-worker the exit code is 1 where no worker is up, for health checks."""


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    parser = verb_parser("status", SAYS)
    parser.add_argument("--require-worker", action="store_true", help="exit with 1 where no worker is up")
    parser.add_argument(
        "--jobs", type=int, default=10, metavar="N", help="show the latest N jobs (default %(default)s)"
    )
    options = parser.parse_args(argv)
    output = Output(as_json=options.json)
    settings = worker_settings()
    with open_ledger(settings).reading() as reader:
        dictionaries, harvests = reader.dictionaries(), reader.harvests()
        jobs, workers = reader.jobs(limit=options.jobs), reader.workers()
    store = open_store(settings.store, settings.home)
    kept = {harvest.id: kept_bytes(store, harvest.id) for harvest in harvests}
    _show(output, dictionaries, jobs, workers)
    _show_kept(output, harvests, kept)
    output.result(
        {
            "dictionaries": [_dictionary(record) for record in dictionaries],
            "harvests": [_harvest(record) | {"kept_bytes": kept[record.id]} for record in harvests],
            "jobs": [asdict(job) for job in jobs],
            "workers": [asdict(worker) for worker in workers],
        }
    )
    return 1 if options.require_worker and not any(worker.alive for worker in workers) else 0


def _show(
    output: Output, dictionaries: list[DictionaryRecord], jobs: list[JobRecord], workers: list[WorkerRecord]
) -> None:
    output.say("Dictionaries")
    if dictionaries:
        heads = ["slug", "model", "hook", "kind", "features", "harvest"]
        output.table(heads, [_line(record) for record in dictionaries])
    else:
        output.say("none yet: featurescope demo, or featurescope add-model and add-dictionary")
    output.say("\nJobs")
    for job in jobs:
        rank = f", priority {job.priority}" if job.priority and job.status not in ENDED else ""
        output.say(f"{job.id}  {job.status}{rank}  {job.title}: {job.error or describe(job)}")
        if job.status not in ENDED and (told := hindrance(job, workers)):
            output.say(f"    {told}")
    if not jobs:
        output.say("none yet")
    output.say("\nWorkers")
    for worker in workers:
        state = "up" if worker.alive else f"not heard of since {worker.last_seen_at}"
        output.say(f"{worker.executor_id}  {worker.device}  {worker.version}  {state}")
        for refusal in worker.refuses:
            output.say(f"    cannot do {refusal.job_id}: {refusal.reason}")
    if not workers:
        output.say("none is up: featurescope worker, or featurescope up")


def _show_kept(output: Output, harvests: list[HarvestRecord], kept: dict[str, int | None]) -> None:
    output.say("\nHarvests that can grow")
    rows = [
        [each.id, ", ".join(each.dictionaries), each.corpus, human(each.tokens), f"{size / 1e6:.1f} MB"]
        for each in harvests
        if (size := kept[each.id]) is not None
    ]
    if rows:
        output.table(["harvest", "dictionaries", "corpus", "tokens", "kept"], rows)
    else:
        output.say("none")


def _line(record: DictionaryRecord) -> list[Any]:
    harvest = record.harvest
    shown = "none" if harvest is None else f"{harvest.status}, {human(harvest.tokens)} tokens"
    return [record.slug, record.model, record.hook_name, record.kind, record.d_sae, shown]


def _dictionary(record: DictionaryRecord) -> dict[str, Any]:
    names = ("slug", "name", "hash", "model", "hook_name", "kind", "d_in", "d_sae")
    harvest = record.harvest
    return {name: getattr(record, name) for name in names} | {"harvest": harvest.id if harvest else None}


def _harvest(record: HarvestRecord) -> dict[str, Any]:
    names = ("id", "status", "model", "corpus", "dictionaries", "tokens_done", "tokens", "error")
    return {name: getattr(record, name) for name in names}
