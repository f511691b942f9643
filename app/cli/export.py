"""featurescope export: one dictionary as a site that opens from disk, as JSON lines, or as Parquet."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from app.export import source as reading
from app.export.folder import whole_folder
from app.export.jsonl import write_jsonl
from app.export.parquet import write_parquet
from app.export.site import write_site
from app.failures import AppError
from app.library import Library, Shelf
from app.settings import AppSettings
from catalog.engine import make_engine, session_scope
from catalog.reader import CatalogReader
from catalog.revision import check_revision

Writer = Callable[[reading.ExportSource, Path, reading.Progress], None]
WRITERS: dict[str, Writer] = {"site": write_site, "jsonl": write_jsonl, "parquet": write_parquet}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb. Returns the exit code; what the catalog raises goes to the caller."""
    options = _parser().parse_args(argv)
    settings = AppSettings.from_environment()
    target = Path(options.to or f"{options.dictionary}-{options.format}").absolute()
    try:
        n_features = _export(options, settings, target)
    except AppError as error:
        print(error, file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    if options.json:
        print(json.dumps({"to": str(target), "format": options.format, "features": n_features, "bytes": size}))
    else:
        first = target / "index.html" if options.format == "site" else target
        print(f"{n_features:,} features, {size / 1e6:,.1f} MB, in {first}")
    return 0


def _export(options: argparse.Namespace, settings: AppSettings, target: Path) -> int:
    engine = make_engine(settings.catalog.database_url)
    check_revision(engine)
    with session_scope(engine) as session, whole_folder(target, replace=options.replace) as folder:
        source = reading.ExportSource.open(
            Library(CatalogReader(session), Shelf()), options.dictionary, options.harvest
        )
        with _bar(f"Exporting {options.dictionary}", hidden=options.json) as on_progress:
            WRITERS[options.format](source, folder, on_progress)
        return source.n_features


@contextmanager
def _bar(title: str, *, hidden: bool) -> Iterator[reading.Progress]:
    """A progress bar on the error stream with rate and time left."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=hidden) as bar:
        task = bar.add_task(title, total=None, rate="")

        def on_progress(done: int, total: int) -> None:
            speed = bar.tasks[0].speed
            bar.update(task, completed=done, total=total, rate=f"{speed:,.0f}/s" if speed else "")

        yield on_progress


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="featurescope export",
        description="Write one dictionary to a folder. Contexts kept for blind tests are left out.",
        epilog="A site opens from disk: double-click its index.html. It needs no server and no network.",
    )
    parser.add_argument("dictionary", help="slug of the dictionary, as in its address")
    parser.add_argument("--format", choices=tuple(WRITERS), default="site", help="what to write (default: site)")
    parser.add_argument("--to", metavar="FOLDER", help="where to (default: DICTIONARY-FORMAT in this folder)")
    parser.add_argument("--harvest", metavar="ID", help="the harvest to write (default: the newest complete one)")
    parser.add_argument("--replace", action="store_true", help="let an earlier export in that folder go")
    parser.add_argument("--json", action="store_true", help="no bar; print one JSON object at the end")
    return parser
