"""A catalog large enough for the databases to plan as for a million features.

Of 20,000 features 40 have pages, and the others are known to lists alone: their pages, and most contexts and
documents, are rows that hold nothing and that nobody opens.
"""

from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import Engine, insert, text

from catalog.engine import session_scope
from catalog.queries import FeatureQuery, Sort
from catalog.schema import Base, ContextBlockRow, DocumentRow, FeaturePageRow, FeatureRow
from catalog.writer import CatalogWriter
from tests.catalog import random_features as small
from tests.catalog.labelling import say
from tests.catalog.random_features import N_CONTEXTS, N_TOKENS, VOCABULARY

D_SAE = 20_000
LABELLED = (3, 70, 11_111, 19_999)
NO_TOKEN = -1
NOTHING, N_BLOCKS = bytes(500), 5_000


@dataclass(frozen=True, slots=True)
class Line:
    """What a list may sort and filter by."""

    index: int
    fired: int
    peak: float
    mean: float
    token: int

    def key(self, sort: Sort) -> tuple[float, int]:
        """What it is sorted by."""
        column = {"index": self.index, "density": self.fired, "peak": self.peak, "mean": self.mean, "token": self.token}
        return column[sort], self.index

    def fits(self, query: FeatureQuery) -> bool:
        """Whether the query keeps it, worked out from the words of `FeatureQuery` alone."""
        word = "" if self.token == NO_TOKEN else VOCABULARY.text(self.token)
        density = self.fired / N_TOKENS
        return all(
            (
                query.min_density is None or density >= query.min_density,
                query.max_density is None or density <= query.max_density,
                query.min_peak is None or self.peak >= query.min_peak,
                query.max_peak is None or self.peak <= query.max_peak,
                query.live is None or query.live == (self.fired > 0),
                query.token is None or self.token == query.token,
                not query.token_contains or query.token_contains.lower() in word.lower(),
                query.labelled is None or query.labelled == (self.index in LABELLED),
            )
        )


@dataclass(frozen=True, slots=True)
class LongCatalog:
    """The catalog and the lines that are in it. slug: of its dictionary."""

    engine: Engine
    lines: list[Line]
    slug: str = "tiny-sae"

    def expected(self, query: FeatureQuery) -> list[int]:
        """Indices of the whole list, by brute force."""
        fitting = sorted((line for line in self.lines if line.fits(query)), key=lambda line: line.key(query.sort))
        return [line.index for line in (fitting if query.order == "asc" else fitting[::-1])]


def fill_long(engine: Engine) -> LongCatalog:
    """Writes pages and contexts through the writer, and the many rows of the list straight into its table."""
    written = small.features()
    with session_scope(engine, write=True) as session:
        writer = CatalogWriter(session)
        small.begin(writer, d_sae=D_SAE)
        names = {number: f"document {number}.txt" for number in range(20)}
        # None shorter than the rest, for a feature of these may fire anywhere.
        contexts = replace(small.context_batch(np.arange(N_CONTEXTS)), lengths=np.full(N_CONTEXTS, small.N_CTX))
        writer.add_contexts("first", [contexts], document_names=names)
        writer.write_features("first", "tiny-sae", written)
        for index in LABELLED:
            say(writer, index, f"label {index}")
        writer.finish_harvest("first")
    with session_scope(engine, write=True) as session:
        run_id = session.scalar(text("SELECT id FROM run"))
        session.execute(insert(FeatureRow.__table__), [_row(run_id, line) for line in _drawn(len(written))])
        for kind, rows in _closed(run_id, len(written)).items():
            session.execute(insert(kind.__table__), rows)
    if engine.dialect.name == "postgresql":
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    return LongCatalog(engine, _read(engine))


def _drawn(start: int) -> list[Line]:
    """Many ties, a quarter dead, and peaks that are low where firings are many."""
    draw = np.random.default_rng(0)
    n = D_SAE - start
    fired = np.where(draw.random(n) < 0.25, 0, draw.integers(1, N_TOKENS // 2, n))
    peak = np.where(fired > 0, np.round(20 - fired / 100 + draw.random(n), 2), 0.0)
    mean = np.round(peak * draw.uniform(0.2, 0.5, n), 3)
    token = np.where(fired > 5, draw.integers(1, len(VOCABULARY), n), NO_TOKEN)
    columns = (fired.tolist(), peak.tolist(), mean.tolist(), token.tolist())
    return [Line(start + place, *values) for place, values in enumerate(zip(*columns, strict=True))]


def _row(run_id: object, line: Line) -> dict[str, object]:
    return {
        "run_id": run_id,
        "index": line.index,
        "tokens_fired": line.fired,
        "peak": line.peak,
        "mean": line.mean,
        "top_token": line.token,
        "top_token_text": "" if line.token == NO_TOKEN else VOCABULARY.text(line.token),
        "promoted": b"\x01\x02",
        "sparkline": bytes(24) if line.fired else b"",
    }


def _closed(run_id: object, start: int) -> dict[type[Base], list[dict[str, object]]]:
    """Rows that are there for the databases' estimates alone."""
    pages = [{"run_id": run_id, "index": index, "payload": NOTHING} for index in range(start, D_SAE)]
    blocks = [{"context_set_id": 1, "block": block, "payload": NOTHING} for block in range(N_CONTEXTS, N_BLOCKS)]
    documents = [{"corpus_id": 1, "number": number, "name": f"document {number}"} for number in range(20, N_BLOCKS)]
    return {FeaturePageRow: pages, ContextBlockRow: blocks, DocumentRow: documents}


def _read(engine: Engine) -> list[Line]:
    with engine.connect() as connection:
        rows = connection.execute(text('SELECT "index", tokens_fired, peak, mean, top_token FROM feature'))
        return [Line(*row) for row in rows]
