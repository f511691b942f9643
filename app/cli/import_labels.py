"""featurescope import-labels: labels from a file, or what they would change."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Engine

from app.account_acts import write
from app.failures import AppError
from app.label_files.importing import FATES, Decided, Fate, Importer
from app.label_files.reading import KINDS, UnknownFile, read_labels
from app.people.asking import OWNER
from app.settings import AppSettings
from catalog.engine import make_engine
from catalog.revision import check_revision
from catalog.writer.accounts import Doer

MOST_TOLD = 50


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb. Returns the exit code; what the catalog raises goes to the caller."""
    options = _parser().parse_args(argv)
    engine = make_engine(AppSettings.from_environment().catalog.database_url)
    check_revision(engine)
    importer = Importer(engine, by=OWNER, dictionary=options.dictionary)
    counts: dict[Fate, int] = dict.fromkeys(FATES, 0)
    try:
        labels = read_labels(Path(options.file), same_people=options.same_people)
        for decided in importer.run(labels, dry=options.dry_run):
            counts[decided.fate] += 1
            _tell(decided, counts, options)
        if not any(counts.values()):
            raise UnknownFile(f"{options.file!r} holds no label. Expected {KINDS}.")
    except OSError as error:
        print(f"{options.file!r} cannot be read: {error.strerror or error}.", file=sys.stderr)
        return 1
    except AppError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        _note(engine, counts, options)
    _sum_up(counts, options)
    return 0


def _note(engine: Engine, counts: dict[Fate, int], options: argparse.Namespace) -> None:
    """A line of the audit log for what was done, also where the import broke off."""
    if not options.dry_run and (counts["new"] or counts["changed"]):
        about = f"{Path(options.file).name}: {counts['new']} added, {counts['changed']} changed"
        write(engine, Doer(OWNER.name, "the command line"), lambda people: people.note("labels imported", about))


def _tell(decided: Decided, counts: dict[Fate, int], options: argparse.Namespace) -> None:
    """A line for what a person wants to know one by one: all that would change, and in any case what was not taken."""
    telling = decided.fate in ("changed", "kept", "refused") or (options.dry_run and decided.fate == "new")
    if options.json or not telling or counts[decided.fate] > MOST_TOLD:
        return
    reason = f" ({decided.reason})" if decided.reason else ""
    print(f"{decided.fate:<9} {decided.place}  {decided.text!r}{reason}")
    if counts[decided.fate] == MOST_TOLD:
        print(f"{decided.fate:<9} … further ones are counted only")


def _sum_up(counts: dict[Fate, int], options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps({"file": options.file, "dry_run": options.dry_run, **counts}))
        return
    print("Nothing was changed. It would be:" if options.dry_run else "Done:")
    for fate, meaning in FATES.items():
        if counts[fate]:
            print(f"{counts[fate]:>7,} {meaning}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="featurescope import-labels",
        description=f"Read labels from a file: {KINDS}. It may be packed (.gz). Nothing that is there is overwritten.",
        epilog="Authors named in a file are kept apart from the people of this catalog, by '(imported)' behind their "
        "names, unless --same-people says that they are the same.",
    )
    parser.add_argument("file", help="the file to read")
    parser.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    parser.add_argument("--dictionary", metavar="SLUG", help="the dictionary they are for, whatever the file says")
    parser.add_argument("--same-people", action="store_true", help="the names in the file are people of this catalog")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    return parser
