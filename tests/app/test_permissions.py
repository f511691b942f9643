"""Every route that changes anything says which role it takes, and holds to it: the app's table of routes is walked."""

import re
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from starlette.routing import Mount, Route

from app.main import create_app
from app.people.arrival import OPEN
from app.people.attempts import Attempts, Door
from app.people.rules import Labeller, Open, Rule
from app.security import SAFE_METHODS
from catalog.engine import make_engine
from catalog.label_records import ROLES
from catalog.people_records import SCOPES
from catalog.revision import migrate
from tests.app.accounts import accounts_app, browser, engine_of, program, settle, signed_in, token_of
from tests.app.conftest import settings_for
from tests.app.people import BASE, HEADER, ByHeader

LEAVING = frozenset({"/sign-out", "/account/sign-out-everywhere"})
"""Routes after which whoever walks would be signed in no more; tests of their own go through them."""


def all_routes(app: FastAPI) -> list[APIRoute]:
    """Every route that the app answers."""
    return list(_all_routes(app.routes))


def changing_routes(app: FastAPI) -> list[APIRoute]:
    """Every route that takes a method which may change something."""
    return [route for route in all_routes(app) if (route.methods or set()) - SAFE_METHODS]


def path_of(route: APIRoute) -> str:
    """An address of a route, with names of nothing that is there."""
    return re.sub(r"\{[^}]+\}", "0", route.path)


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


def rules_of(route: APIRoute) -> list[Rule | Open]:
    """The rules that a request passes on its way to a route."""
    return [call for call in _calls(route.dependant) if isinstance(call, Rule | Open)]


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
        if isinstance(rule, Open):
            continue
        path = path_of(route)
        for method in sorted((route.methods or set()) - SAFE_METHODS):
            assert client.request(method, path).status_code == 401
            for role in ROLES:
                status = client.request(method, path, headers={HEADER: f"somebody:{role}"}).status_code
                refused = ROLES.index(role) < ROLES.index(rule.role)
                assert (status == 403) == refused, (method, path, role, status)
                assert status < 500 or status == 503, (method, path, role, status)


def test_only_what_anybody_may_reach_is_open(app: FastAPI):
    free = {route.path for route in all_routes(app) if any(isinstance(rule, Open) for rule in rules_of(route))}
    assert free == OPEN - {"/healthz"}
    assert {route.path for route in all_routes(app)} >= OPEN


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, TestClient]]:
    """Everybody who may come to an app with accounts: nobody, a browser of each role, a program of each scope."""
    home = tmp_path_factory.mktemp("crew")
    app = accounts_app(f"sqlite:///{home / 'catalog.sqlite'}", home)
    crew = {"nobody": browser(app)}
    for role in ROLES:
        settle(engine_of(app), f"the {role}", role)
        crew[role] = signed_in(app, f"the {role}")
    for scope in SCOPES:
        crew[f"token {scope}"] = program(app, token_of(app, "the admin", scope))
    # Another admin, so that the walk may take the first one's access away and still find its rules held.
    settle(engine_of(app), "another admin", "admin")
    app.state.asking.attempts = Unlimited()
    yield crew
    engine_of(app).dispose()


class Unlimited(Attempts):
    """So that a walk through all routes knocks as often as there are routes."""

    def count(self, door: Door, who: str) -> None:
        """Never too often."""


def test_every_route_holds_to_its_rule_for_everybody_who_signs_in(crew: dict[str, TestClient]):
    app: FastAPI = crew["nobody"].app  # type: ignore[assignment]
    ways = [(route, method) for route in all_routes(app) for method in (route.methods or set()) - {"HEAD", "OPTIONS"}]
    walked = 0
    for (route, method), (who, client) in product(ways, crew.items()):
        if route.path in LEAVING and may_pass(route, who):
            continue
        answer = client.request(method, path_of(route))
        # A wrong password is answered with 401 too, but asks for no signing in.
        refused = answer.status_code == 403 or "www-authenticate" in answer.headers
        assert refused == (not may_pass(route, who)), (method, route.path, who, answer.status_code)
        assert answer.status_code < 500 or answer.status_code == 503, (method, route.path, who)
        walked += 1
    assert walked >= 7 * 40


def may_pass(route: APIRoute, who: str) -> bool:
    """Whether somebody is let through to a route, by what it declares; nobody reads anything but what is open."""
    if route.path in OPEN:
        return True
    if who == "nobody":
        return False
    kind, _, scope = who.rpartition(" ")
    role = SCOPES[scope] if kind == "token" else who  # type: ignore[index]
    rules = [rule for rule in rules_of(route) if isinstance(rule, Rule)]
    has_role = all(ROLES.index(role) >= ROLES.index(rule.role) for rule in rules)
    return has_role and not (kind == "token" and any(rule.in_person for rule in rules))


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
