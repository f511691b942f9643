"""No query of the reader goes through a whole table, on either database, and a page takes three."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine

from catalog.engine import session_scope
from catalog.queries import ORDERS, SORTS, FeatureQuery, Order, Sort
from catalog.reader import CatalogReader
from catalog.records import PageHead
from catalog.writer import CatalogWriter
from tests.catalog.labelling import say
from tests.catalog.many_features import LongCatalog
from tests.catalog.plans import Explained, explained
from tests.catalog.random_features import VOCABULARY, SmallCatalog


def queries_of(engine: Engine, ask: Callable[[CatalogReader], object]) -> list[Explained]:
    with explained(engine) as queries, session_scope(engine) as session:
        ask(CatalogReader(session))
    return queries


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
    "some features": lambda reader: (
        reader.some_features("tiny-sae", [5, 6]),
        reader.feature_scales("tiny-sae", [5, 6]),
        reader.histograms("tiny-sae", [5, 6]),
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
def test_every_query_uses_an_index(long_catalog: LongCatalog, name: str):
    queries = queries_of(long_catalog.engine, ASKED[name])
    assert queries
    assert not [query for query in queries if query.goes_through_everything]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("order", ORDERS)
def test_every_list_of_features_is_read_in_the_order_of_an_index(long_catalog: LongCatalog, sort: Sort, order: Order):
    for filters in FILTERS.values():
        asked = FeatureQuery(long_catalog.slug, sort=sort, order=order, limit=3, **filters)
        for query in list_queries(long_catalog.engine, asked):
            assert not query.goes_through_everything, (filters, query)
            assert not (is_in_order_of_an_index(query) and query.sorts), (filters, query)


def is_in_order_of_an_index(query: Explained) -> bool:
    """Whether a list is asked for in the order of its sort. Where a filter leaves few, the sort is set aside by a +."""
    return "FROM feature" in query.statement and "ORDER BY feature." in query.statement


def test_only_where_all_that_fit_are_far_from_the_top_are_all_features_looked_through(long_catalog: LongCatalog):
    query = FeatureQuery(long_catalog.slug, sort="mean", limit=3, min_density=0.25, min_peak=14.0)
    queries = list_queries(long_catalog.engine, query)
    assert [bool(each.goes_through_everything) for each in queries].count(True) == 1


def list_queries(engine: Engine, query: FeatureQuery) -> list[Explained]:
    """Those of the first page, and of the second and back where there is one."""

    def walk(reader: CatalogReader) -> None:
        page = reader.features(query, vocabulary=VOCABULARY)
        if page.next:
            second = reader.features(replace(query, after=page.next), vocabulary=VOCABULARY)
            reader.features(replace(query, after=second.previous), vocabulary=VOCABULARY)

    return queries_of(engine, walk)


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
