"""Every route that changes anything says which role it takes, and holds to it: the app's table of routes is walked."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from starlette.routing import Mount, Route

from app.main import create_app
from app.people.rules import Labeller, Rule
from app.security import SAFE_METHODS
from catalog.engine import make_engine
from catalog.label_records import ROLES
from catalog.revision import migrate
from tests.app.conftest import settings_for
from tests.app.people import BASE, HEADER, ByHeader


def changing_routes(app: FastAPI) -> list[APIRoute]:
    """Every route that takes a method which may change something."""
    return [route for route in _all_routes(app.routes) if route.methods - SAFE_METHODS]


def _all_routes(routes: Iterable[object]) -> Iterator[APIRoute]:
    """Those of routers that were included too, however deep; a kind of route that is not known fails."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        elif isinstance(included := getattr(route, "original_router", None), APIRouter):
            yield from _all_routes(included.routes)
        else:
            assert isinstance(route, Mount | Route) and not isinstance(getattr(route, "app", None), APIRouter)
            assert (getattr(route, "methods", None) or SAFE_METHODS) <= SAFE_METHODS


def rules_of(route: APIRoute) -> list[Rule]:
    """The rules that a request passes on its way to a route."""
    return [call for call in _calls(route.dependant) if isinstance(call, Rule)]


def _calls(dependant: Dependant) -> Iterator[object]:
    for inner in dependant.dependencies:
        yield inner.call
        yield from _calls(inner)


@pytest.fixture
def app(sqlite_url: str, tmp_path: Path) -> FastAPI:
    engine = make_engine(sqlite_url)
    migrate(engine)
    engine.dispose()
    return create_app(settings_for(sqlite_url, tmp_path), asking=ByHeader())


def test_every_route_that_changes_anything_has_a_rule(app: FastAPI):
    routes = changing_routes(app)
    assert len(routes) >= 10
    assert not [route.path for route in routes if len(rules_of(route)) != 1]


def test_a_route_without_a_rule_is_found():
    router = APIRouter()

    @router.post("/free")
    def free() -> None: ...

    @router.post("/ruled")
    def ruled(_by: Labeller) -> None: ...

    app = FastAPI()
    app.include_router(router)
    assert [route.path for route in changing_routes(app) if not rules_of(route)] == ["/free"]


def test_each_role_gets_as_far_as_its_rule_says(app: FastAPI):
    client = TestClient(app, base_url=BASE)
    for route in changing_routes(app):
        [rule] = rules_of(route)
        path = re.sub(r"\{[^}]+\}", "0", route.path)
        for method in sorted(route.methods - SAFE_METHODS):
            assert client.request(method, path).status_code == 403
            for role in ROLES:
                status = client.request(method, path, headers={HEADER: f"somebody:{role}"}).status_code
                refused = ROLES.index(role) < ROLES.index(rule.role)
                assert (status == 403) == refused, (method, path, role, status)
                assert status < 500 or status == 503, (method, path, role, status)


def test_a_refusal_names_the_role_and_changes_nothing(app: FastAPI):
    client = TestClient(app, base_url=BASE, headers={HEADER: "vic:viewer"})
    page = client.post("/d/any/0/labels", data={"text": "mine"})
    assert page.status_code == 403
    assert "this takes a person with the role &#39;labeller&#39;" in page.text
    answer = client.post("/api/v1/dictionaries/any/features/0/labels", json={"text": "mine"})
    assert answer.json()["error"]["code"] == "not_allowed"
    assert client.get("/api/v1/labels").json() == {"activity": [], "next": None}


def test_without_sign_in_whoever_asks_is_the_owner(sqlite_url: str, tmp_path: Path):
    engine = make_engine(sqlite_url)
    migrate(engine)
    engine.dispose()
    client = TestClient(create_app(settings_for(sqlite_url, tmp_path)), base_url=BASE)
    assert client.post("/labels/nothing/hide").status_code == 404
