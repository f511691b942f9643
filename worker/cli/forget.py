"""featurescope forget: remove what finished harvests leave so that they can grow."""

from collections.abc import Sequence

from worker.cli.asking import open_ledger
from worker.cli.options import verb_parser
from worker.cli.output import Output
from worker.jobs.kept import drop, kept_bytes
from worker.jobs.settings import worker_settings
from worker.jobs.store import open_store

SAYS = """Remove what is kept of finished harvests so that more text can be added to them, and free its disk space.
Their pages, labels and numbers stay as they are; they can no longer grow, and a longer one is harvested anew.

featurescope status lists what is kept. With FEATURESCOPE_KEEP_STATE=no a worker keeps nothing from the start."""

EXAMPLES = """featurescope forget 0123456789abcdef
featurescope forget --all"""


def main(argv: Sequence[str]) -> int:
    """Run the verb. Raises NotFound on an unknown harvest."""
    parser = verb_parser("forget", SAYS, examples=EXAMPLES)
    parser.add_argument("harvests", nargs="*", metavar="HARVEST", help="ids, as featurescope status shows them")
    parser.add_argument("--all", action="store_true", help="of every harvest")
    options = parser.parse_args(argv)
    if bool(options.harvests) == options.all:
        parser.error("name harvests, or say --all")
    output, settings = Output(as_json=options.json), worker_settings()
    with open_ledger(settings).reading() as reader:
        named = reader.harvests() if options.all else [reader.harvest(each) for each in options.harvests]
    store = open_store(settings.store, settings.home)
    freed = {each.id: kept_bytes(store, each.id) or 0 for each in named}
    for harvest_id in freed:
        drop(store, harvest_id)
    output.say(f"{sum(freed.values()) / 1e6:.1f} MB freed, of {sum(map(bool, freed.values()))} harvests.")
    output.result({"freed_bytes": sum(freed.values()), "harvests": [each for each, size in freed.items() if size]})
    return 0
