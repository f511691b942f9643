"""Lists of more features than are looked through at once: every page is the one that sorting all of them would give."""

from dataclasses import replace
from typing import Any

import pytest

from catalog.cursors import Cursor
from catalog.engine import session_scope
from catalog.queries import ORDERS, SORTS, FeatureListPage, FeatureQuery, Order, Sort
from catalog.reader import CatalogReader
from catalog.reader.feature_lists import FEW, LOOKED_THROUGH
from tests.catalog.many_features import Line, LongCatalog
from tests.catalog.random_features import VOCABULARY

FILTERS: dict[str, dict[str, Any]] = {
    "none": {},
    "live": {"live": True},
    "dead": {"live": False},
    "dense": {"min_density": 0.45},
    "in between": {"min_density": 0.1, "max_density": 0.3},
    "low": {"max_peak": 6.0},
    "high": {"min_peak": 19.5},
    "common text": {"token_contains": "WORD1"},
    "rare text": {"token_contains": "word123"},
    "no text": {"token_contains": "nowhere"},
    "token": {"token": 7},
    "labelled": {"labelled": True},
    "not labelled": {"labelled": False},
    "far from the top": {"min_density": 0.25, "max_peak": 8.0},
    "nothing": {"min_density": 0.25, "min_peak": 19.0},
    "three": {"min_density": 0.05, "min_peak": 9.0, "token_contains": "2"},
    "dead and labelled": {"live": False, "labelled": True},
}


def listed(catalog: LongCatalog, query: FeatureQuery) -> FeatureListPage:
    with session_scope(catalog.engine) as session:
        return CatalogReader(session).features(query, vocabulary=VOCABULARY)


def indices(page: FeatureListPage) -> list[int]:
    return [feature.index for feature in page.features]


def cursor_at(line: Line, query: FeatureQuery) -> str:
    """A cursor behind the line, whichever page it would have come from."""
    value = 0 if query.sort == "index" else line.key("density" if query.live is False else query.sort)[0]
    return Cursor(value, line.index, backwards=False).encode(query)


@pytest.mark.parametrize("filters", FILTERS)
@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("order", ORDERS)
def test_pages_are_those_of_the_whole_list(long_catalog: LongCatalog, filters: str, sort: Sort, order: Order):
    query = FeatureQuery(long_catalog.slug, sort=sort, order=order, limit=40, **FILTERS[filters])
    expected = long_catalog.expected(query)
    first = listed(long_catalog, query)
    assert indices(first) == expected[:40]
    assert first.previous is None and (first.next is None) == (len(expected) <= 40)
    if first.next:
        second = listed(long_catalog, replace(query, after=first.next))
        assert indices(second) == expected[40:80]
        assert indices(listed(long_catalog, replace(query, after=second.previous))) == expected[:40]


@pytest.mark.parametrize("filters", ["none", "live", "dead", "in between", "common text", "far from the top", "three"])
@pytest.mark.parametrize("sort", SORTS)
def test_pages_deep_in_a_list_go_on_where_the_cursor_is(long_catalog: LongCatalog, filters: str, sort: Sort):
    by_index = {line.index: line for line in long_catalog.lines}
    query = FeatureQuery(long_catalog.slug, sort=sort, order="desc", limit=40, **FILTERS[filters])
    expected = long_catalog.expected(query)
    for place in (len(expected) // 2, len(expected) - 10):
        page = listed(long_catalog, replace(query, after=cursor_at(by_index[expected[place]], query)))
        assert indices(page) == expected[place + 1 : place + 41]
        assert (page.next is None) == (place + 41 >= len(expected))
        back = listed(long_catalog, replace(query, after=page.previous))
        assert indices(back) == expected[place - 39 : place + 1]


def test_the_lists_are_long_enough_for_every_way_of_reading(long_catalog: LongCatalog):
    def fitting(**filters: Any) -> int:
        return len(long_catalog.expected(FeatureQuery(long_catalog.slug, **filters)))

    assert fitting(min_density=0.45) < FEW < min(fitting(min_density=0.25), fitting(max_peak=8.0))
    far = FeatureQuery(long_catalog.slug, sort="mean", min_density=0.25, max_peak=8.0)
    first = long_catalog.expected(far)[0]
    assert long_catalog.expected(replace(far, min_density=None, max_peak=None)).index(first) > LOOKED_THROUGH


def test_a_text_is_found_without_a_vocabulary_too(long_catalog: LongCatalog):
    query = FeatureQuery(long_catalog.slug, token_contains="word123", limit=500)
    with session_scope(long_catalog.engine) as session:
        assert indices(CatalogReader(session).features(query)) == long_catalog.expected(query)
