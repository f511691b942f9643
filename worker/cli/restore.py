"""featurescope restore: put a backup back, all of it or nothing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from sqlalchemy import Engine

from catalog.archive.read import Archive, open_archive
from catalog.archive.restore import restore
from catalog.engine import make_engine
from catalog.revision import database_revision, needed_revision
from worker.cli.asking import worker_is_up
from worker.cli.bar import Bar
from worker.cli.options import verb_parser
from worker.cli.output import Output
from worker.jobs.durable import migrate_jobs_database
from worker.jobs.errors import WorkerRunning
from worker.jobs.ledger import Ledger
from worker.jobs.settings import WorkerSettings, worker_settings
from worker.jobs.worker import sole_worker

SAYS = """Put a backup into the catalog of these settings, SQLite or Postgres, whichever it was taken from.

Every byte is checked first. A catalog that holds something is refused unless you say --replace, and whatever goes
wrong, it stays as it was. A backup of an older version is brought to this one. No worker may run meanwhile; the pages
may.

Jobs that were under way when the backup was made are over: ask for them again. Worker and app need the weights and
corpora where they were; featurescope doctor says what is missing."""

EXAMPLES = """featurescope restore catalog.backup
featurescope restore --check catalog.backup
FEATURESCOPE_DATABASE_URL=postgresql://lab@db/featurescope featurescope restore catalog.backup"""


def main(argv: Sequence[str]) -> int:
    """Run the verb. Raises the catalog's BadArchive, NotEmpty and WrongRevision, and WorkerRunning."""
    parser = verb_parser("restore", SAYS, examples=EXAMPLES)
    parser.add_argument("file", type=Path, help="what featurescope backup wrote")
    parser.add_argument("--replace", action="store_true", help="throw away what the catalog holds")
    parser.add_argument("--check", action="store_true", help="only read the file and check it")
    options = parser.parse_args(argv)
    output = Output(as_json=options.json)
    with open_archive(options.file.expanduser()) as archive:
        with Bar("Check", unit="bytes") as bar:
            archive.verify(on_progress=bar.update)
        _tell(output, archive)
        if options.check:
            output.result({"file": str(archive.path), "sound": True, "revision": archive.manifest.revision})
            return 0
        _put_back(worker_settings(), archive, output, replace=options.replace)
    return 0


def _put_back(settings: WorkerSettings, archive: Archive, output: Output, *, replace: bool) -> None:
    engine = make_engine(settings.catalog.database_url)
    with _without_workers(settings, engine), Bar("Restore", unit="rows") as bar:
        restored = restore(engine, archive, replace=replace, on_progress=bar.update)
    migrate_jobs_database(settings)
    where = engine.url.render_as_string()
    output.say(f"The catalog {where} holds the {restored.rows} rows of the backup, at revision {restored.revision}.")
    if restored.ended:
        output.say(f"{restored.ended} jobs were under way when it was made and are over now: ask for them again.")
    output.result(
        {"database": where, "rows": restored.rows, "revision": restored.revision, "jobs_ended": restored.ended}
    )


@contextmanager
def _without_workers(settings: WorkerSettings, engine: Engine) -> Iterator[None]:
    """Raises WorkerRunning where a worker would be pulled the rows from under its feet."""
    with sole_worker(settings) if settings.on_sqlite else nullcontext():
        is_current = database_revision(engine) == needed_revision()
        if not settings.on_sqlite and is_current and worker_is_up(settings, Ledger(engine)):
            raise WorkerRunning(
                "A worker is up on this catalog. Stop all workers, then restore; featurescope status lists them."
            )
        yield


def _tell(output: Output, archive: Archive) -> None:
    manifest = archive.manifest
    output.say(
        f"{archive.path} is sound: {manifest.rows} rows of {len(manifest.tables)} tables, taken {manifest.made_at} "
        f"from {manifest.database} at revision {manifest.revision} by version {manifest.version}."
    )
