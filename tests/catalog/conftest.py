"""Catalogs for the tests of this folder, on both databases: an empty migrated one, and one with a harvest."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from catalog.engine import make_engine
from catalog.revision import migrate
from tests.catalog.random_features import SmallCatalog, fill


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def catalog(engine: Engine) -> SmallCatalog:
    return fill(engine)
