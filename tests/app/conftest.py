"""A stored synthetic harvest and a client, once for each kind of database."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import AppSettings
from catalog.engine import make_engine
from catalog.revision import migrate
from catalog.settings import CatalogSettings
from tests.app.people import BASE, ByHeader
from tests.app.stored import store, store_jobs
from tests.app.synthetic import SyntheticHarvest, synthetic_harvest
from tests.conftest import new_postgres_database


@pytest.fixture(scope="session")
def harvested() -> SyntheticHarvest:
    """The harvest every page test reads; values only."""
    return synthetic_harvest()


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def stored_url(
    request: pytest.FixtureRequest, harvested: SyntheticHarvest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A catalog of either kind with the synthetic harvest in it; tests only read it."""
    if request.param == "postgres":
        database = new_postgres_database(request.getfixturevalue("postgres_server"))
    else:
        database = nullcontext(f"sqlite:///{tmp_path_factory.mktemp('catalog') / 'catalog.sqlite'}")
    with database as url:
        engine = make_engine(url)
        store(engine, harvested)
        store_jobs(engine)
        engine.dispose()
        yield url


def settings_for(url: str, home: Path, **changes: object) -> AppSettings:
    """Settings of an app over that database, without a guided start unless one is given."""
    chosen = {"guide": home / "demo.json", "allowed_hosts": ("127.0.0.1",), **changes}
    return AppSettings(catalog=CatalogSettings(home, url), **chosen)


@pytest.fixture(scope="session")
def client(stored_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of one app over the stored harvest, which no test writes to."""
    home = tmp_path_factory.mktemp("home")
    with TestClient(create_app(settings_for(stored_url, home)), base_url=BASE) as client:
        yield client


@pytest.fixture
def empty_client(database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    """A client of the app over an empty catalog of either kind."""
    engine = make_engine(database_url)
    migrate(engine)
    engine.dispose()
    with TestClient(create_app(settings_for(database_url, tmp_path)), base_url=BASE) as client:
        yield client


@pytest.fixture
def labelling_app(database_url: str, harvested: SyntheticHarvest, tmp_path: Path) -> Iterator[FastAPI]:
    """An app of the test's own over a stored harvest, of either kind, in which several people label."""
    engine = make_engine(database_url)
    store(engine, harvested)
    engine.dispose()
    app = create_app(settings_for(database_url, tmp_path), asking=ByHeader())
    yield app
    app.state.site.engine.dispose()
