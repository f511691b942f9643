"""featurescope backup: the whole catalog in one file, taken while it is in use."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from catalog.archive.write import write_archive
from catalog.engine import make_engine, session_scope
from catalog.errors import CatalogError
from catalog.reader import CatalogReader
from catalog.revision import check_revision
from worker.cli.bar import Bar
from worker.cli.options import verb_parser
from worker.cli.output import Output, human
from worker.jobs.errors import JobError
from worker.jobs.settings import WorkerSettings, worker_settings

SAYS = """Write the whole catalog to one file: models, dictionaries, corpora, harvests with every feature, labels, jobs.

The catalog may be in use meanwhile: the file holds one moment of it. SQLite and Postgres write the same kind of file,
and featurescope restore puts it into either. The file appears when it is whole.

What is not in it is listed at the end: weights, texts and tokenised corpora, partial results of harvests under way,
and the queue of jobs. Copy those folders too where they cannot be made again."""

EXAMPLES = """featurescope backup catalog.backup
featurescope backup --force /mnt/backups/catalog.backup"""

FOLDERS = ("corpora", "bases", "trained", "dictionaries", "kept", "harvests", "training")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that a backup does not hold. n_bytes: None where it is not on this machine."""

    what: str
    place: str
    n_bytes: int | None


def main(argv: Sequence[str]) -> int:
    """Run the verb. Raises JobError where the file is there already."""
    parser = verb_parser("backup", SAYS, examples=EXAMPLES)
    parser.add_argument("file", type=Path, help="where to write it")
    parser.add_argument("--force", action="store_true", help="overwrite a file of that name")
    options = parser.parse_args(argv)
    output = Output(as_json=options.json)
    path: Path = options.file.expanduser()
    if path.exists() and not options.force:
        raise JobError(f"There is a file {str(path)!r} already. Choose another name, or say --force to overwrite it.")
    settings = worker_settings()
    engine = make_engine(settings.catalog.database_url)
    with Bar("Backup", unit="rows") as bar:
        manifest = write_archive(engine, path, on_progress=bar.update)
    size, left_out = path.stat().st_size, not_in_a_backup(settings, engine)
    output.say(f"{path}: {manifest.rows} rows of {len(manifest.tables)} tables, {size / 1e6:.1f} MB.")
    output.say("Put it back with: featurescope restore " + str(path))
    _tell(output, left_out)
    output.result(
        {
            "file": str(path),
            "bytes": size,
            "revision": manifest.revision,
            "rows": {entry.table: entry.rows for entry in manifest.tables},
            "left_out": [{"what": each.what, "place": each.place, "bytes": each.n_bytes} for each in left_out],
        }
    )
    return 0


def not_in_a_backup(settings: WorkerSettings, engine: Engine) -> list[LeftOut]:
    """Folders under the home, the store, and the files of models and dictionaries, where they are."""
    roots = {str(settings.home): settings.home}
    if settings.store and "://" not in settings.store:
        roots[settings.store] = Path(settings.store).expanduser()
    found = [
        LeftOut(f"the folder {name}", str(folder), _size(folder))
        for root in roots.values()
        for name in FOLDERS
        if (folder := root / name).is_dir()
    ]
    if settings.store and "://" in settings.store:
        found.append(LeftOut("everything in the store", settings.store, None))
    found.append(LeftOut("the queue of jobs", "the database of jobs", None))
    return found + _sources(engine)


def _sources(engine: Engine) -> list[LeftOut]:
    try:
        check_revision(engine)
        with session_scope(engine) as session:
            reader = CatalogReader(session)
            named = [("the weights of the model", record) for record in reader.models()]
            named += [("the weights of the dictionary", record) for record in reader.dictionaries()]
    except CatalogError:  # an older catalog is archived as it is, and its rows are not read
        return []
    return [LeftOut(f"{what} {record.slug}", record.source, None) for what, record in named]


def _tell(output: Output, left_out: Sequence[LeftOut]) -> None:
    output.say("\nNot in it:")
    for each in left_out:
        size = "" if each.n_bytes is None else f", {human(each.n_bytes)}B"
        output.say(f"  {each.what}: {each.place}{size}")


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
