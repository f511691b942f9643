"""Whatever a reading route asks the catalog for is found by an index, as it is asked: captured while pages are made."""

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.main import ROUTES, create_app
from catalog.queries import ORDERS, SORTS
from tests.app.conftest import BASE, settings_for
from tests.catalog.many_features import LongCatalog
from tests.catalog.plans import Explained, explained

INDEX = 5
FILTERS = (
    "",
    "&state=live",
    "&state=dead",
    "&token=word1",
    "&token=word123&state=live",
    "&min_density=0.01&max_density=0.5",
    "&min_peak=0.5&max_peak=40",
    "&min_density=0.1&min_peak=1&token=2",
)
PARAMETERS = {"dictionary": "tiny-sae", "index": str(INDEX), "job_id": "none", "key": "none"}
"""Values of what stands in braces in the addresses of routes; that of a context is asked for first."""


@pytest.fixture
def client(long_catalog: LongCatalog, tmp_path: Path) -> Iterator[TestClient]:
    url = long_catalog.engine.url.render_as_string(hide_password=False)
    with TestClient(create_app(settings_for(url, tmp_path)), base_url=BASE) as client:
        yield client


def reading_routes() -> list[APIRoute]:
    """All that answer a GET, streams left out."""
    routes = [route for module in ROUTES for route in module.router.routes if isinstance(route, APIRoute)]
    return [each for each in routes if "GET" in each.methods and not inspect.iscoroutinefunction(each.endpoint)]


def asked(client: TestClient, address: str, *, status: int = 200) -> list[Explained]:
    with explained(Engine) as queries:
        answer = client.get(address, follow_redirects=False)
    assert answer.status_code == status, (address, answer.text)
    return queries


def slow(queries: list[Explained]) -> list[tuple[str, list[str]]]:
    return [(query.statement, query.goes_through_everything) for query in queries if query.goes_through_everything]


def test_every_reading_route_finds_by_an_index_what_it_shows(client: TestClient):
    feature = client.get(f"/api/v1/dictionaries/tiny-sae/features/{INDEX}").json()
    values = {**PARAMETERS, "context": str(feature["top_contexts"][0]["context"])}
    routes = reading_routes()
    assert len(routes) >= 15
    found: dict[str, list[tuple[str, list[str]]]] = {}
    n_queries = 0
    for route in routes:
        with explained(Engine) as queries:
            answer = client.get(route.path.format(**values), follow_redirects=False)
        assert answer.status_code < 500, route.path
        n_queries += len(queries)
        if slow(queries):
            found[route.path] = slow(queries)
    assert not found
    assert n_queries > 20


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("order", ORDERS)
def test_lists_do_whatever_they_are_sorted_and_narrowed_by_and_so_do_their_further_pages(
    client: TestClient, sort: str, order: str
):
    for filters in FILTERS:
        for place in ("/d/tiny-sae", "/api/v1/dictionaries/tiny-sae/features"):
            address = f"{place}?sort={sort}&order={order}&limit=20{filters}"
            found = client.get(f"/api/v1/dictionaries/tiny-sae/features?{address.partition('?')[2]}").json()
            assert not slow(asked(client, address)), address
            if found["next"]:
                assert not slow(asked(client, f"{address}&after={found['next']}")), address


def test_so_do_comparisons_pinned_pages_embedded_parts_and_what_is_not_there(client: TestClient):
    both = "a=tiny-sae/5&b=tiny-sae/6"
    places = ("/d/tiny-sae/5?harvest=first", "/d/tiny-sae/5?embed&show=contexts", f"/compare?{both}")
    for address in (*places, f"/api/v1/compare?{both}", "/d/tiny-sae?harvest=first"):
        assert not slow(asked(client, address)), address
    for address in ("/d/tiny-sae/20001", "/d/nowhere", "/d/tiny-sae/5?harvest=nowhere"):
        assert not slow(asked(client, address, status=404)), address
