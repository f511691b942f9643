"""A migrated catalog of each kind with the tiny model and its SAE in it, and what a job is handed."""

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


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> WorkerSettings:
    home = tmp_path / "home"
    home.mkdir()
    return WorkerSettings(catalog=CatalogSettings(home=home, database_url=database_url), device="cpu", dtype="float32")


@pytest.fixture(scope="session")
def models() -> ModelCache:
    return ModelCache(device="cpu", dtype="float32", kept=4)


@pytest.fixture
def context(settings: WorkerSettings, models: ModelCache) -> JobContext:
    engine = make_engine(settings.catalog.database_url)
    migrate(engine)
    yield JobContext(settings, Ledger(engine), models)
    engine.dispose()


@pytest.fixture
def sae(context: JobContext, tiny_world: TinyWorld) -> DictionaryRecord:
    """The tiny SAE, registered on the tiny model."""
    model = context.models.get(str(tiny_world.model))
    slug = add_model(context.ledger, model, name="tiny").slug
    dictionary = formats.load(tiny_world.sae)
    return add_dictionary(
        context.ledger, model, dictionary, source=str(tiny_world.sae), model_slug=slug, name="tiny sae"
    )
