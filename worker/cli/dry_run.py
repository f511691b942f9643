"""featurescope harvest --dry-run: what a harvest would take, with nothing asked of any worker."""

from collections.abc import Sequence

from worker.cli.follow import terminal_stages
from worker.cli.output import Output, duration, human
from worker.jobs.context import make_context
from worker.jobs.forecast import Forecast, forecast
from worker.jobs.ledger import Ledger
from worker.jobs.requests import HarvestRequest
from worker.jobs.settings import WorkerSettings
from worker.jobs.sizes import mib

PARTS = {
    "opening": "opening the files",
    "passing": "the text through the model",
    "weighing": "weighing the dictionaries",
    "merging": "merging",
    "measuring": "measuring the dictionaries",
    "writing": "writing",
}
PLACES = {
    "corpus": "the tokenised corpus",
    "shards": "finished shards, until the end",
    "kept": "what lets it grow later",
    "catalog": "the catalog",
}


def dry_run(settings: WorkerSettings, ledger: Ledger, requests: Sequence[HarvestRequest], *, output: Output) -> int:
    """Tell what each harvest would take, one after the other."""
    context = make_context(settings, ledger)
    told = []
    for request in requests:
        output.say(f"Trying a few batches of {', '.join(request.dictionaries)}; nothing is kept of them.")
        found = forecast(context, request, stages=terminal_stages)
        for line in lines(found):
            output.say(line)
        told.append(found.to_json())
    output.result({**told[0], "forecasts": told})
    return 0


def lines(found: Forecast) -> list[str]:
    """The forecast in words."""
    if found.done:
        return ["A complete harvest of the same is there already, so nothing would be done (--again does it anew)."]
    parts = [f"{duration(found.seconds[name])} {text}" for name, text in PARTS.items() if found.seconds[name] >= 0.5]
    places = [f"{_megabytes(found.disk[name])} {text}" for name, text in PLACES.items() if found.disk[name]]
    times = "" if len(found.passes) == 1 else f", {len(found.passes)} times"
    lasting = found.most_disk - found.disk["shards"]
    return [
        f"Through the model: {human(found.tokens)} tokens{times}, {found.batch_tokens:,} at once, in {found.shards} "
        f"shards, on {found.device} in {found.dtype}.",
        f"Time:   {duration(found.all_seconds)} on one such worker with nothing else to do: {', '.join(parts)}.",
        f"Memory: {mib(found.memory)} at the most in a worker.",
        f"Disk:   {_megabytes(found.most_disk)} at the most, {_megabytes(lasting)} to stay: {', '.join(places)}.",
    ]


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB" if size >= 1e6 else f"{size / 1e3:,.0f} kB"
