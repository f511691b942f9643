"""featurescope export-labels: all labels with their history, in one file."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from app.label_files.writing import FORMATS, write_labels
from app.settings import AppSettings
from catalog.engine import make_engine, session_scope
from catalog.reader import CatalogReader
from catalog.revision import check_revision


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb. Returns the exit code; what the catalog raises goes to the caller."""
    options = _parser().parse_args(argv)
    engine = make_engine(AppSettings.from_environment().catalog.database_url)
    check_revision(engine)
    target = Path(options.file).absolute()
    kind = options.format or ("csv" if target.suffix == ".csv" else "jsonl")
    unfinished = target.with_name(f"{target.name}.unfinished")
    try:
        with session_scope(engine) as session, unfinished.open("w", encoding="utf-8", newline="") as stream:
            reader = CatalogReader(session)
            if options.dictionary is not None:
                reader.dictionary(options.dictionary)
            n_labels = write_labels(reader.labels.with_history(options.dictionary), stream, kind)
        unfinished.replace(target)
    except OSError as error:
        print(f"{str(target)!r} cannot be written: {error.strerror or error}.", file=sys.stderr)
        return 1
    finally:
        unfinished.unlink(missing_ok=True)
    told = json.dumps({"to": str(target), "format": kind, "labels": n_labels})
    print(told if options.json else f"{n_labels:,} labels in {target}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="featurescope export-labels",
        description="Write all labels, hidden ones too, with who said what when.",
        epilog="jsonl: a label a line, with its whole history; import-labels reads it back. csv: a row a label as it "
        "stands. history-csv: a row for everything that was done to a label.",
    )
    parser.add_argument("file", help="where to; what ends in .csv becomes a table unless --format says otherwise")
    parser.add_argument("--format", choices=FORMATS, help="what to write (default: by the name of the file)")
    parser.add_argument("--dictionary", metavar="SLUG", help="the labels of this dictionary only")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    return parser
