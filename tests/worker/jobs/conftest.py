"""A migrated catalog of each kind with the tiny model and its SAE in it, and what a job is handed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from catalog.engine import make_engine
from catalog.records import DictionaryRecord
from catalog.revision import migrate
from catalog.settings import CatalogSettings
from tests.tiny import TinyWorld
from worker.jobs.context import JobContext
from worker.jobs.ledger import Ledger
from worker.jobs.models import ModelCache
from worker.jobs.register import add_dictionary, add_model
from worker.jobs.settings import WorkerSettings
from worker.sae import formats


@contextmanager
def open_context(home: Path, url: str, models: ModelCache) -> Iterator[JobContext]:
    """What a job is handed, on an empty database of its own that is migrated first."""
    settings = WorkerSettings(catalog=CatalogSettings(home=home, database_url=url), device="cpu", dtype="float32")
    engine = make_engine(url)
    migrate(engine)
    yield JobContext(settings, Ledger(engine), models)
    engine.dispose()


def register_sae(context: JobContext, world: TinyWorld) -> DictionaryRecord:
    """The tiny SAE, registered on the tiny model."""
    model = context.models.get(str(world.model))
    slug = add_model(context.ledger, model, name="tiny").slug
    dictionary = formats.load(world.sae)
    return add_dictionary(context.ledger, model, dictionary, source=str(world.sae), model_slug=slug, name="tiny sae")


@pytest.fixture(scope="session")
def models() -> ModelCache:
    return ModelCache(device="cpu", dtype="float32", kept=4)


@pytest.fixture
def context(tmp_path: Path, database_url: str, models: ModelCache) -> Iterator[JobContext]:
    home = tmp_path / "home"
    home.mkdir()
    with open_context(home, database_url, models) as context:
        yield context


@pytest.fixture
def settings(context: JobContext) -> WorkerSettings:
    return context.settings


@pytest.fixture
def sae(context: JobContext, tiny_world: TinyWorld) -> DictionaryRecord:
    """The tiny SAE, registered on the tiny model."""
    return register_sae(context, tiny_world)
