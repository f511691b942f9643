"""Bytes a feature takes on disk, everything counted: `python -m benchmarks.storage`.

A synthetic harvest (`synthetic_features.py`) goes through the real writer into an empty catalog; the figure is the
size of the whole database divided by d_sae: features, lists, indexes, contexts with their tokens, documents,
vocabulary. What it must stay below is 4,096 bytes. The memory-mapped corpus is no part of the database.
On PostgreSQL the size is that of our tables with their indexes and TOAST; the server's own catalogs, some
7 MB in every database, are left out.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine, text

from benchmarks.synthetic_catalog import DICTIONARY, HARVEST, write_corpus
from benchmarks.synthetic_features import SyntheticHarvest
from catalog.engine import make_engine, make_session, session_scope
from catalog.reader import CatalogReader
from catalog.records import FeatureRecord
from catalog.revision import migrate
from catalog.writer import CatalogWriter

LIMIT = 4_096
QUICK_SHARE = 8


def main(argv: list[str] | None = None) -> int:
    """Measure and print; 1 where the figure is above the limit."""
    options = _parser().parse_args(argv)
    share = QUICK_SHARE if options.quick else 1
    harvest = SyntheticHarvest(
        options.d_sae // share, options.tokens // share, options.l0 / share, options.n_ctx, options.d_vocab
    )
    with tempfile.TemporaryDirectory(prefix="featurescope-storage-") as folder:
        engine = make_engine(options.database_url or f"sqlite:///{Path(folder) / 'catalog.sqlite'}")
        try:
            figures = _measure(engine, harvest)
        finally:
            engine.dispose()
    print(json.dumps(figures))
    return int(figures["bytes_per_feature"] > LIMIT)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--d-sae", type=int, default=16_384)
    parser.add_argument("--tokens", type=int, default=10_000_000)
    parser.add_argument("--l0", type=float, default=64.0)
    parser.add_argument("--n-ctx", type=int, default=128)
    parser.add_argument("--d-vocab", type=int, default=50_257)
    parser.add_argument("--quick", action="store_true", help="an eighth of the features, the tokens and L0")
    parser.add_argument("--database-url", help="an empty database; by default SQLite in a temporary folder")
    return parser


def _measure(engine: Engine, harvest: SyntheticHarvest) -> dict[str, Any]:
    migrate(engine)
    with session_scope(engine) as session:
        if CatalogReader(session).dictionaries():
            raise SystemExit(f"{engine.url.render_as_string()} is not empty; give an empty database.")
    began = time.perf_counter()
    contexts_s = write_corpus(engine, harvest)
    writing_s = _write_features(engine, harvest)
    total, tables = _sizes(engine)
    for name, size in sorted(tables.items(), key=lambda item: -item[1]):
        print(f"{name:<40} {size:>12,} bytes {size / harvest.d_sae:>9.1f} a feature")
    print(f"{'everything':<40} {total:>12,} bytes {total / harvest.d_sae:>9.1f} a feature, limit {LIMIT:,}")
    return {
        "bytes_per_feature": round(total / harvest.d_sae, 1),
        "limit": LIMIT,
        "database": engine.dialect.name,
        "d_sae": harvest.d_sae,
        "tokens": harvest.tokens,
        "l0": harvest.l0,
        "n_ctx": harvest.n_ctx,
        "contexts_seconds": round(contexts_s, 2),
        "features_seconds": round(writing_s, 2),
        "seconds": round(time.perf_counter() - began, 2),
    }


def _write_features(engine: Engine, harvest: SyntheticHarvest) -> float:
    """Seconds that packing and writing took, the drawing of the features apart."""
    drawing = 0.0

    def drawn() -> Iterator[FeatureRecord]:
        nonlocal drawing
        features = harvest.features()
        while True:
            began = time.perf_counter()
            record = next(features, None)
            drawing += time.perf_counter() - began
            if record is None:
                return
            yield record

    with make_session(engine, write=True) as session:
        writer = CatalogWriter(session)
        began = time.perf_counter()
        writer.write_features(HARVEST, DICTIONARY, drawn())
        seconds = time.perf_counter() - began - drawing
        writer.set_token_counts(HARVEST, np.arange(harvest.d_vocab))
        writer.finish_harvest(HARVEST)
        session.commit()
    return seconds


def _sizes(engine: Engine) -> tuple[int, dict[str, int]]:
    """Bytes of the whole database, and of each table and index."""
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' AND relnamespace = "
                    "'public'::regnamespace"
                )
            )
            tables = {name: int(size) for name, size in rows}
        return sum(tables.values()), tables
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        rows = connection.exec_driver_sql("SELECT name, SUM(pgsize) FROM dbstat GROUP BY name")
        tables = {name: int(size) for name, size in rows}
    file = Path(str(engine.url.database))
    return sum(part.stat().st_size for part in file.parent.glob(file.name + "*")), tables


if __name__ == "__main__":
    raise SystemExit(main())
