"""Puts an archive back into a catalog of either kind, in one transaction: all of it, or nothing."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import pyarrow as pa
from sqlalchemy import Connection, Engine, Select, Table, func, inspect, literal, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from catalog.archive.layout import Entry
from catalog.archive.read import Archive
from catalog.archive.tables import PASSING, REVISION_TABLE, columns_of, tables_of
from catalog.clock import now
from catalog.engine import make_session
from catalog.errors import BackupFailed, BadArchive, NotEmpty, WrongRevision
from catalog.failures import explain
from catalog.revision import database_revision, known_revisions, needed_revision, upgrade
from catalog.schema import Base, HarvestRow, JobRow
from catalog.writer.previews import SHOWN, stopped_provenance

LOCK_TIMEOUT = "30s"
UNDER_WAY = ("queued", "running", "paused")
LEFT_BEHIND = "It was under way when the backup was made. Ask for it again: what was finished of it is found."
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did. ended: jobs that were under way in the archive and are failed now."""

    rows: int
    revision: str
    ended: int


def restore(
    engine: Engine, archive: Archive, *, replace: bool = False, on_progress: Progress | None = None
) -> Restored:
    """Fill the catalog from the archive, then bring it to the revision of this code.

    replace: throw away what the catalog holds. Without it only an empty catalog, or none, is filled.
    on_progress: called with a table's name and the rows done and in all.
    Whatever fails, the catalog stays as it was. On SQLite others read it as it was until the end; on PostgreSQL they
    wait. Raises NotEmpty, WrongRevision, BadArchive, BackupFailed.
    """
    _check_revisions(engine, archive)
    try:
        with make_session(engine, write=True) as session, session.begin():
            return _restore(session.connection(), archive, replace=replace, on_progress=on_progress)
    except (SQLAlchemyError, psycopg.Error) as error:
        known = explain(error, engine.url.render_as_string())
        if known is not None:
            raise known from error
        first = str(error).strip().splitlines()[0]
        raise BackupFailed(f"The database refuses the backup: {first}. The catalog is as it was.") from error


def _check_revisions(engine: Engine, archive: Archive) -> None:
    revision = archive.manifest.revision
    if revision not in known_revisions():
        raise WrongRevision(
            f"The backup {str(archive.path)!r} is of revision {revision}, which this code does not know; it needs "
            f"{needed_revision()}. A newer Featurescope made it: update the code."
        )
    if database_revision(engine) not in {None, needed_revision()}:
        where = engine.url.render_as_string()
        raise WrongRevision(
            f"The catalog {where} is at revision {database_revision(engine)}, the code needs {needed_revision()}. "
            "Run: make migrate. Then restore."
        )


def _restore(connection: Connection, archive: Archive, *, replace: bool, on_progress: Progress | None) -> Restored:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
    _make_room(connection, replace=replace)
    upgrade(connection, archive.manifest.revision)
    tables = {table.name: table for table in tables_of(connection)}
    named = {entry.table for entry in archive.manifest.tables}
    if named != tables.keys():
        raise BadArchive(f"The backup {str(archive.path)!r} lacks or adds tables: {sorted(named ^ tables.keys())}.")
    done = 0
    for entry in archive.manifest.tables:
        done = _fill(connection, tables[entry.table], archive, entry, done=done, on_progress=on_progress)
    upgrade(connection)
    return Restored(done, needed_revision(), _end_what_was_under_way(connection))


def _make_room(connection: Connection, *, replace: bool) -> None:
    """Leaves a database without our tables. Raises NotEmpty where they hold rows and may not be thrown away."""
    there = set(inspect(connection).get_table_names())
    for table in Base.metadata.sorted_tables:
        is_filled = table.name in there - PASSING and connection.scalar(select(literal(1)).select_from(table).limit(1))
        if is_filled and not replace:
            where = connection.engine.url.render_as_string()
            raise NotEmpty(
                f"The catalog {where} is not empty: its table {table.name!r} has rows. Restore into an empty one, or "
                "say --replace to throw away what it holds."
            )
    Base.metadata.drop_all(connection)
    if REVISION_TABLE in there:
        connection.execute(text(f"DROP TABLE {REVISION_TABLE}"))


def _fill(
    connection: Connection, table: Table, archive: Archive, entry: Entry, *, done: int, on_progress: Progress | None
) -> int:
    """Insert the rows of a table. Returns the rows done so far, of all tables."""
    if {(column.name, column.kind) for column in entry.columns} != {
        (column.name, column.kind) for column in columns_of(table)
    }:
        raise BadArchive(f"The columns of {entry.table!r} in {str(archive.path)!r} are not those of its revision.")
    for batch in archive.batches(entry):
        rows = _rows(batch, entry)
        if connection.dialect.name == "postgresql":
            _copy(connection, table, entry, rows)
        else:
            _insert(connection, table, entry, rows)
        done += len(rows)
        if on_progress is not None:
            on_progress(entry.table, done, archive.manifest.rows)
    if connection.scalar(select(func.count()).select_from(table)) != entry.rows:
        raise BadArchive(f"{entry.table!r} does not hold the {entry.rows} rows of the backup.")
    if connection.dialect.name == "postgresql":
        _advance_ids(connection, table)
        connection.execute(text(f"ANALYZE {connection.dialect.identifier_preparer.quote(table.name)}"))
    return done


def _rows(batch: pa.RecordBatch, entry: Entry) -> list[tuple[Any, ...]]:
    columns = [array.to_pylist() for array in batch.columns]
    for column, values in zip(entry.columns, columns, strict=True):
        if column.kind == "json":
            _check_json(values, entry.table, column.name)
    return list(zip(*columns, strict=True))


def _check_json(values: Sequence[str | None], table: str, column: str) -> None:
    """SQLite takes any text for JSON; the catalog could not be read afterwards."""
    for value in values:
        try:
            if value is not None:
                json.loads(value)
        except ValueError as error:
            raise BadArchive(f"{table}.{column} of the backup holds a value that is no JSON: {error}.") from error


def _insert(connection: Connection, table: Table, entry: Entry, rows: list[tuple[Any, ...]]) -> None:
    """Straight to the driver: values are as the database keeps them already."""
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(quote(column.name) for column in entry.columns)
    marks = ", ".join("?" for _ in entry.columns)
    connection.exec_driver_sql(f"INSERT INTO {quote(table.name)} ({names}) VALUES ({marks})", rows)


def _copy(connection: Connection, table: Table, entry: Entry, rows: list[tuple[Any, ...]]) -> None:
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(quote(column.name) for column in entry.columns)
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {quote(table.name)} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _advance_ids(connection: Connection, table: Table) -> None:
    """Let PostgreSQL's sequence of new ids begin behind those that were put in."""
    keys = list(table.primary_key.columns)
    if len(keys) != 1:
        return
    name = connection.dialect.identifier_preparer.quote(table.name)
    sequence = connection.scalar(
        text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": name, "column": keys[0].name}
    )
    largest = None if sequence is None else connection.scalar(select(func.max(keys[0])))
    if largest is not None:
        connection.execute(
            text("SELECT setval(CAST(:sequence AS regclass), :largest)"), {"sequence": sequence, "largest": largest}
        )


def _end_what_was_under_way(connection: Connection) -> int:
    """The queue is not in a backup, so what was on it would wait for ever."""
    over = {"status": "failed", "error": LEFT_BEHIND, "finished_at": now()}
    ended = connection.execute(update(JobRow).where(JobRow.status.in_(UNDER_WAY)).values(**over, seconds_left=None))
    connection.execute(update(HarvestRow).where(HarvestRow.status.in_(UNDER_WAY)).values(**over))
    for number, provenance in connection.execute(_previews()).all():
        stopped = stopped_provenance(provenance, "failed")
        connection.execute(update(HarvestRow).where(HarvestRow.id == number).values(provenance=stopped))
    return ended.rowcount


def _previews() -> Select[tuple[int, dict[str, Any]]]:
    return select(HarvestRow.id, HarvestRow.provenance).where(HarvestRow.status == SHOWN)
