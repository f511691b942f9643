"""No query of the reader goes through a whole table, on either database, and a page takes three."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, event

from catalog.engine import session_scope
from catalog.queries import SORTS, FeatureQuery, Sort
from catalog.reader import CatalogReader
from catalog.records import PageHead
from catalog.writer import CatalogWriter
from tests.catalog.labelling import say
from tests.catalog.random_features import SmallCatalog

Statement = tuple[str, Any]
WHOLE_LISTS = ("SCAN dictionary", "SCAN harvest")
"""Lists of everything there is, read in the order of their key."""
PLAIN_POSTGRES = ("enable_seqscan", "enable_bitmapscan", "enable_sort")


@contextmanager
def recorded(engine: Engine) -> Iterator[list[Statement]]:
    """The queries that are made meanwhile, with their parameters."""
    statements: list[Statement] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.lstrip().upper().startswith("SELECT") and "pg_catalog" not in statement:
            statements.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)


def plan(engine: Engine, statement: Statement) -> list[str]:
    """The lines of the database's plan, as if every table were large."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement[0]}", statement[1])
            return [row[3] for row in rows]
        for setting in PLAIN_POSTGRES:
            connection.exec_driver_sql(f"SET LOCAL {setting} = off")
        return [row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement[0]}", statement[1])]


def goes_through_everything(line: str) -> bool:
    """Whether a line of a plan reads a whole table without the help of an index."""
    if line in WHOLE_LISTS or line.startswith("SCAN json_each "):
        return False
    return "Seq Scan" in line or (line.startswith("SCAN ") and "USING" not in line and "CONSTANT ROW" not in line)


def queries_of(engine: Engine, ask: Callable[[CatalogReader], object]) -> list[Statement]:
    with recorded(engine) as statements, session_scope(engine) as session:
        ask(CatalogReader(session))
    return statements


def page_head(reader: CatalogReader) -> PageHead | None:
    return reader.feature_page_data("tiny-sae", 5).head


ASKED: dict[str, Callable[[CatalogReader], object]] = {
    "models": lambda reader: (reader.models(), reader.model("tiny")),
    "corpora": lambda reader: (reader.corpora(), reader.corpus("stories")),
    "vocabulary": lambda reader: reader.vocabulary("tokenizer-hash"),
    "dictionaries": lambda reader: (reader.dictionaries(), reader.dictionary("tiny-sae")),
    "by hash": lambda reader: reader.dictionary_by_hash("dictionary-hash"),
    "harvests": lambda reader: (reader.harvest("first"), reader.harvests("tiny-sae"), reader.harvests()),
    "summary": lambda reader: (reader.summary("first", "tiny-sae"), reader.token_counts("first")),
    "feature": lambda reader: (reader.feature("tiny-sae", 5), reader.feature("tiny-sae", 5, "first")),
    "reserve": lambda reader: reader.reserve("tiny-sae", 5),
    "page": lambda reader: reader.feature_page_data("tiny-sae", 5),
    "pinned page": lambda reader: reader.feature_page_data("tiny-sae", 5, "first"),
    "next page": lambda reader: reader.feature_page_data("tiny-sae", 6, head=page_head(reader)),
    "neighbours": lambda reader: (
        reader.previous_live("tiny-sae", 5),
        reader.next_live("tiny-sae", 5),
        reader.random_live("tiny-sae", 1),
    ),
    "contexts": lambda reader: reader.contexts("first", range(60)),
    "labels": lambda reader: reader.labels.of_feature("tiny-sae", 5, me="kim"),
    "one label": lambda reader: (reader.labels.history("no-such-key"), reader.labels.last_change("tiny-sae", 5)),
    "examples": lambda reader: reader.examples("dictionary-hash", 5),
    "jobs": lambda reader: (reader.jobs(), reader.workers()),
    "figures": lambda reader: (reader.job_counts(), reader.job_rates()),
}
FILTERS: dict[str, dict[str, Any]] = {
    "none": {},
    "density": {"min_density": 0.01, "max_density": 0.5},
    "peak": {"min_peak": 0.5, "max_peak": 40.0},
    "live": {"live": True},
    "dead": {"live": False},
    "text": {"token_contains": "word1"},
    "token": {"token": 7},
    "labelled": {"labelled": True},
    "not labelled": {"labelled": False},
    "pinned": {"harvest": "first"},
}


@pytest.mark.parametrize("name", ASKED)
def test_every_query_uses_an_index(catalog: SmallCatalog, name: str):
    statements = queries_of(catalog.engine, ASKED[name])
    assert statements
    for statement in statements:
        lines = plan(catalog.engine, statement)
        assert not [line for line in lines if goes_through_everything(line)], (statement[0], lines)


@pytest.mark.parametrize("sort", SORTS)
def test_every_list_of_features_is_read_in_the_order_of_an_index(catalog: SmallCatalog, sort: Sort):
    for filters in FILTERS.values():
        for statement in list_statements(catalog.engine, FeatureQuery("tiny-sae", sort=sort, limit=3, **filters)):
            lines = plan(catalog.engine, statement)
            slow = [line for line in lines if goes_through_everything(line) or sorts_features(line, statement)]
            assert not slow, (filters, lines)


def sorts_features(line: str, statement: Statement) -> bool:
    """Whether a line of the plan of a list puts its rows in order, rather than reading them so."""
    return "FROM feature" in statement[0] and ("TEMP B-TREE" in line or "Sort" in line)


def list_statements(engine: Engine, query: FeatureQuery) -> list[Statement]:
    """Those of the first page, and of the second and back where there is one."""

    def walk(reader: CatalogReader) -> None:
        page = reader.features(query)
        if page.next:
            second = reader.features(replace(query, after=page.next))
            reader.features(replace(query, after=second.previous))

    return queries_of(engine, walk)


def test_contexts_are_read_by_their_blocks_and_documents_by_their_numbers(catalog: SmallCatalog):
    blocks, documents = queries_of(catalog.engine, ASKED["contexts"])
    assert any("block=?" in line or "block = ANY" in line for line in plan(catalog.engine, blocks))
    assert any("number=?" in line or "number = ANY" in line for line in plan(catalog.engine, documents))


def test_a_page_takes_three_queries_with_contexts_label_and_neighbours(catalog: SmallCatalog):
    for ask in (ASKED["page"], ASKED["pinned page"]):
        assert len(queries_of(catalog.engine, ask)) == 3


def test_a_list_takes_two_queries(catalog: SmallCatalog):
    assert len(queries_of(catalog.engine, lambda reader: reader.features(FeatureQuery("tiny-sae")))) == 2


def test_reading_takes_no_write_lock(own_catalog: SmallCatalog):
    with session_scope(own_catalog.engine) as reading:
        CatalogReader(reading).feature_page_data("tiny-sae", 5)
        with session_scope(own_catalog.engine, write=True) as writing:
            say(CatalogWriter(writing), 5, "meanwhile", by="somebody")
        assert CatalogReader(reading).feature("tiny-sae", 5).label is None
    with session_scope(own_catalog.engine) as reading:
        assert CatalogReader(reading).feature("tiny-sae", 5).label == "meanwhile"
