"""Writes an archive from one unchanging state of the database, while others go on reading and writing it."""

import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, Engine, Table, Text, cast, func, select

from catalog.archive.layout import MANIFEST, Entry, Hashing, Manifest, arrow_schema
from catalog.archive.tables import Column, columns_of, tables_of
from catalog.engine import session_scope
from catalog.errors import BackupFailed, WrongRevision
from catalog.revision import database_revision, known_revisions

ROWS_AT_ONCE = 128
BATCH_BYTES = 4_000_000
BATCH_ROWS = 8_192
Progress = Callable[[str, int, int], None]


def write_archive(engine: Engine, path: Path, *, on_progress: Progress | None = None) -> Manifest:
    """Write the whole catalog to a file, which is there when it is whole, and not before.

    A reading transaction holds one state of the database: on SQLite writers go on beside it in the write-ahead log,
    which grows until the end; on PostgreSQL the rows as they were are kept. A database of an older revision is
    archived as it is.
    on_progress: called with a table's name and the rows done and in all.
    Raises WrongRevision on a database without tables or of an unknown revision, BackupFailed where the file cannot
    be written.
    """
    revision = database_revision(engine)
    where = engine.url.render_as_string()
    if revision is None:
        raise WrongRevision(f"The catalog {where} has no tables yet, so there is nothing to back up.")
    if revision not in known_revisions():
        raise WrongRevision(
            f"The catalog {where} is at revision {revision}, which this code does not know. Back it up with the "
            "Featurescope that made it."
        )
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    try:
        with session_scope(engine) as session:
            manifest = _write(session.connection(), unfinished, revision, on_progress=on_progress)
        unfinished.replace(path)
    except OSError as error:
        raise BackupFailed(f"The backup {str(path)!r} cannot be written: {error.strerror or error}.") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return manifest


def _write(connection: Connection, path: Path, revision: str, *, on_progress: Progress | None) -> Manifest:
    tables = tables_of(connection)
    counts = {table.name: connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables}
    total, done = sum(counts.values()), 0
    entries: list[Entry] = []
    with path.open("wb") as file:
        with zipfile.ZipFile(file, "w") as archive:
            for table in tables:
                for entry in _write_table(connection, archive, table):
                    if on_progress is not None:
                        on_progress(table.name, done + entry.rows, total)
                entries.append(entry)
                done += entry.rows
            manifest = _manifest(connection, revision, tuple(entries))
            archive.writestr(MANIFEST, manifest.to_json())
        file.flush()
        os.fsync(file.fileno())
    return manifest


def _write_table(connection: Connection, archive: zipfile.ZipFile, table: Table) -> Iterator[Entry]:
    """The entry so far after each portion of rows, and at last the whole of it."""
    columns, rows = columns_of(table), 0
    with archive.open(Entry(table.name, columns, 0, 0, "").file, "w", force_zip64=True) as stream:
        hashing = Hashing(stream)
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_stream(hashing, arrow_schema(columns), options=options) as writer:
            for batch in _batches(connection, table, columns):
                writer.write_batch(_record_batch(batch, columns))
                rows += len(batch)
                yield Entry(table.name, columns, rows, 0, "")
    yield Entry(table.name, columns, rows, hashing.n_bytes, hashing.hexdigest())


def _batches(connection: Connection, table: Table, columns: Sequence[Column]) -> Iterator[list[Any]]:
    """All rows by primary key, in portions of some megabytes."""
    wanted = [cast(table.c[column.name], Text) if column.kind == "json" else table.c[column.name] for column in columns]
    query = select(*wanted).order_by(*table.primary_key.columns).execution_options(yield_per=ROWS_AT_ONCE)
    batch: list[Any] = []
    n_bytes = 0
    for row in connection.execute(query):
        batch.append(row)
        n_bytes += sum(len(value) if isinstance(value, bytes | str) else 8 for value in row)
        if n_bytes >= BATCH_BYTES or len(batch) >= BATCH_ROWS:
            yield batch
            batch, n_bytes = [], 0
    if batch:
        yield batch


def _record_batch(rows: Sequence[Any], columns: tuple[Column, ...]) -> pa.RecordBatch:
    schema = arrow_schema(columns)
    arrays = [pa.array(values, type=schema.field(place).type) for place, values in enumerate(zip(*rows, strict=True))]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _manifest(connection: Connection, revision: str, entries: tuple[Entry, ...]) -> Manifest:
    return Manifest(
        revision=revision,
        database=connection.dialect.name,
        version=version("featurescope"),
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        tables=entries,
    )
