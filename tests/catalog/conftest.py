"""Catalogs for the tests of this folder, on both databases: empty ones, and ones with a harvest."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import Engine

from catalog.engine import make_engine
from catalog.revision import migrate
from tests.catalog.random_features import SmallCatalog, fill


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An empty migrated catalog of the test's own."""
    engine = make_engine(database_url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def own_catalog(engine: Engine) -> SmallCatalog:
    """A catalog with a harvest, for tests that write."""
    return fill(engine)


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def catalog(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCatalog]:
    """A catalog with a harvest, one for all tests that only read."""
    if request.param == "sqlite":
        yield from _filled(f"sqlite:///{tmp_path_factory.mktemp('catalog') / 'catalog.sqlite'}")
        return
    server, name = request.getfixturevalue("postgres_server"), f"catalog_{uuid.uuid4().hex}"
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield from _filled(server.get_uri(database=name))
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _filled(url: str) -> Iterator[SmallCatalog]:
    engine = make_engine(url)
    migrate(engine)
    yield fill(engine)
    engine.dispose()
