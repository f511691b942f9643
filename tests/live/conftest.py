"""A harvested tiny world, a worker's live door that is open over it, and an app in front: once for each database."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import uvicorn
from fastapi.testclient import TestClient

from app.cli.serve import listen
from app.main import create_app
from app.settings import AppSettings
from catalog.engine import make_engine
from catalog.records import DictionaryRecord, WorkerRecord
from catalog.revision import migrate
from catalog.settings import CatalogSettings
from tests.conftest import new_postgres_database
from tests.tiny import TinyWorld, make_tiny_world, tiny_dictionary
from tests.worker.jobs.test_harvest_steps import run
from worker.jobs.context import JobContext
from worker.jobs.heartbeats import Heartbeat
from worker.jobs.ledger import Ledger
from worker.jobs.live_door import open_live_door
from worker.jobs.models import ModelCache
from worker.jobs.register import add_dictionary, add_model
from worker.jobs.requests import HarvestRequest
from worker.jobs.settings import WorkerSettings
from worker.sae import formats
from worker.sae.dictionary import Dictionary

BASE = "http://127.0.0.1"
EARLY_HOOK = "blocks.0.hook_resid_pre"
SAE, EARLY, SHORT = "tiny-sae", "tiny-early", "tiny-short"


@dataclass(frozen=True)
class LiveWorld:
    """A catalog with three dictionaries of one model: two that cut alike and are harvested, one of its own ways."""

    context: JobContext
    files: TinyWorld
    dictionaries: dict[str, Dictionary]
    silent: threading.Event = field(default_factory=threading.Event)
    """While it is set, an open door is not heard of."""

    def record(self, slug: str) -> DictionaryRecord:
        with self.context.ledger.reading() as reader:
            return reader.dictionary(slug)


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> TinyWorld:
    return make_tiny_world(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def world(
    request: pytest.FixtureRequest, tiny_world: TinyWorld, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveWorld]:
    """Tests only read it."""
    home = tmp_path_factory.mktemp("home")
    if request.param == "postgres":
        database = new_postgres_database(request.getfixturevalue("postgres_server"))
    else:
        database = nullcontext(f"sqlite:///{home / 'catalog.sqlite'}")
    with database as url, harvested_world(home, url, tiny_world) as made:
        yield made


@pytest.fixture(scope="module")
def lonely_world(tiny_world: TinyWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveWorld]:
    """A world of its own on SQLite, for tests that open and shut doors; none is open at first."""
    home = tmp_path_factory.mktemp("lonely")
    with harvested_world(home, f"sqlite:///{home / 'catalog.sqlite'}", tiny_world) as made:
        yield made


@contextmanager
def harvested_world(home: Path, url: str, files: TinyWorld) -> Iterator[LiveWorld]:
    """The tiny model with its dictionaries in a catalog there, the first two harvested."""
    engine = make_engine(url)
    migrate(engine)
    settings = WorkerSettings(catalog=CatalogSettings(home, url), device="cpu", dtype="float32")
    context = JobContext(settings, Ledger(engine), ModelCache(device="cpu", dtype="float32"))
    model = context.models.get(str(files.model))
    slug = add_model(context.ledger, model, name="tiny").slug
    usual = tiny_dictionary()
    early = replace(tiny_dictionary(hook_name=EARLY_HOOK, seed=5), kind="topk", k=3)
    short = replace(usual, conventions=replace(usual.conventions, prepend_bos=False, n_ctx=16))
    dictionaries = {SAE: usual, EARLY: early, SHORT: short}
    for name, dictionary in dictionaries.items():
        folder = home / name
        formats.save(dictionary, folder)
        read = formats.load(folder)
        add_dictionary(context.ledger, model, read, source=str(folder), model_slug=slug, name=name)
    asked = HarvestRequest(dictionaries=(SAE, EARLY), corpus=str(files.corpus), shard_tokens=900)
    run(context, asked)
    yield LiveWorld(context, files, dictionaries)
    engine.dispose()


@contextmanager
def open_door(world: LiveWorld) -> Iterator[str]:
    """The address of a live door of this process over that catalog, as if a worker had opened it."""
    address = open_live_door(world.context)
    assert address is not None
    record = WorkerRecord("here", "bench", 1, "0", "cpu", "", alive=True, live_address=address)

    def beat() -> None:
        with world.context.ledger.writing() as writer:
            if world.silent.is_set():
                writer.forget_worker(record.executor_id)
            else:
                writer.heartbeat(record)

    heartbeat = Heartbeat(beat, every_seconds=0.5, on_error=lambda error: None)
    heartbeat.start()
    yield address
    heartbeat.stop()
    with world.context.ledger.writing() as writer:
        writer.forget_worker(record.executor_id)


def app_settings(world: LiveWorld, **changes: object) -> AppSettings:
    """Settings of an app over that catalog and home."""
    catalog = world.context.settings.catalog
    return AppSettings(catalog=catalog, allowed_hosts=("127.0.0.1",), guide=catalog.home / "none.json", **changes)


@pytest.fixture(scope="session")
def client(world: LiveWorld) -> Iterator[TestClient]:
    """A client of an app over the world, with a worker's door open."""
    with open_door(world), TestClient(create_app(app_settings(world)), base_url=BASE) as client:
        yield client


@pytest.fixture(scope="session")
def server(client: TestClient) -> Iterator[str]:
    """The address of a real server of the same app."""
    listener = listen("127.0.0.1", 0)
    running = uvicorn.Server(uvicorn.Config(client.app, log_config=None, lifespan="off", access_log=False))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    running.should_exit = True
    thread.join(30)
