"""A disk that fills up in the middle of a harvest: a small real one, which has room again after a while.

The small disk is a file system in memory, mounted for the test; without the right to mount there is no such test.
"""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.digest import catalog_digest
from catalog.engine import make_engine, session_scope
from catalog.records import DictionaryRecord
from catalog.revision import migrate
from catalog.settings import CatalogSettings
from tests.tiny import TinyWorld
from tests.worker.jobs.compare import everything_of
from tests.worker.jobs.test_harvest_steps import run
from tests.worker.jobs.worker_process import wait_for_end, wait_until, worker_process
from worker.jobs.context import JobContext
from worker.jobs.durable import migrate_jobs_database
from worker.jobs.ledger import Ledger
from worker.jobs.models import ModelCache
from worker.jobs.patience import WAITS_FOR_ROOM
from worker.jobs.register import add_dictionary, add_model
from worker.jobs.requests import HarvestRequest, to_json
from worker.jobs.settings import WorkerSettings
from worker.jobs.submit import submit
from worker.sae import formats

pytestmark = pytest.mark.slow
SIZE = 24 * 2**20
SHARD_TOKENS = 250


class SmallDisk:
    """A folder with little room, which can be filled to the last byte and emptied again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        with self._filler.open("ab", buffering=0) as filler:
            for size in (2**16, 2**12, 1):
                try:
                    while filler.write(bytes(size)):
                        pass
                except OSError:
                    continue

    def empty(self) -> None:
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "small"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    mounted = subprocess.run(words, capture_output=True, text=True)
    if mounted.returncode:
        why = f"no file system may be mounted here: {mounted.stderr.strip()}"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    yield SmallDisk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def cramped(disk: SmallDisk, request: pytest.FixtureRequest, models: ModelCache, kind: str) -> Iterator[JobContext]:
    """A catalog whose home is on the small disk, and with it the database where that is a file."""
    home = disk.folder / "home"
    home.mkdir()
    url = f"sqlite:///{home / 'catalog.sqlite'}" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    settings = WorkerSettings(catalog=CatalogSettings(home=home, database_url=url), device="cpu", dtype="float32")
    engine = make_engine(url)
    migrate(engine)
    migrate_jobs_database(settings)
    yield JobContext(settings, Ledger(engine), models)
    engine.dispose()


@pytest.fixture
def small_sae(cramped: JobContext, tiny_world: TinyWorld) -> DictionaryRecord:
    model = cramped.models.get(str(tiny_world.model))
    slug = add_model(cramped.ledger, model, name="tiny").slug
    dictionary = formats.load(tiny_world.sae)
    return add_dictionary(
        cramped.ledger, model, dictionary, source=str(tiny_world.sae), model_slug=slug, name="tiny sae"
    )


def request_for(world: TinyWorld) -> HarvestRequest:
    return HarvestRequest(("tiny-sae",), str(world.corpus), shard_tokens=SHARD_TOKENS)


def ask(context: JobContext, world: TinyWorld) -> str:
    return submit(context.settings, context.ledger, "harvest", to_json(request_for(world)), title="cramped")


def assert_as_if_nothing_had_been(context: JobContext, job_id: str, world: TinyWorld) -> None:
    with context.ledger.reading() as reader:
        found = next(harvest.id for harvest in reader.harvests() if harvest.job_id == job_id)
    whole = run(context, replace(request_for(world), again=True), "undisturbed")
    assert everything_of(context.ledger, "tiny-sae", found) == everything_of(context.ledger, "tiny-sae", whole)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_disk_that_is_full_for_a_while_holds_a_harvest_up_and_does_not_hurt_it(
    cramped: JobContext, small_sae: DictionaryRecord, tiny_world: TinyWorld, disk: SmallDisk, tmp_path: Path
):
    job_id = ask(cramped, tiny_world)
    with (tmp_path / "worker.log").open("w+") as log, worker_process(cramped.settings, log=log):
        wait_until(lambda: len(list(cramped.home.glob("harvests/*/shard-*.npz"))) >= 2, "two shards are done")
        disk.fill()
        wait_until(lambda: "room" in (tmp_path / "worker.log").read_text(), "the worker says what is the matter")
        if not cramped.settings.on_sqlite:
            wait_until(lambda: cramped.ledger.job(job_id).message.startswith(WAITS_FOR_ROOM), "the job says so too")
        assert cramped.ledger.job(job_id).finished_at is None
        disk.empty()
        assert wait_for_end(cramped.ledger, job_id) == "complete", cramped.ledger.job(job_id)
    assert "Traceback" not in (tmp_path / "worker.log").read_text()
    assert_as_if_nothing_had_been(cramped, job_id, tiny_world)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_worker_that_starts_on_a_full_disk_waits_too_and_so_does_the_corpus(
    cramped: JobContext, small_sae: DictionaryRecord, tiny_world: TinyWorld, disk: SmallDisk, tmp_path: Path
):
    job_id = ask(cramped, tiny_world)
    disk.fill()
    with (tmp_path / "worker.log").open("w+") as log, worker_process(cramped.settings, log=log):
        wait_until(lambda: "room" in (tmp_path / "worker.log").read_text(), "the worker says that it waits")
        assert cramped.ledger.job(job_id).finished_at is None
        assert not (cramped.home / "corpora").exists() or not list(cramped.home.glob("corpora/*/meta.json"))
        disk.empty()
        assert wait_for_end(cramped.ledger, job_id) == "complete", cramped.ledger.job(job_id)
    assert "Traceback" not in (tmp_path / "worker.log").read_text()


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_catalog_without_room_can_still_be_read(
    cramped: JobContext, small_sae: DictionaryRecord, tiny_world: TinyWorld, disk: SmallDisk
):
    run(cramped, request_for(tiny_world), "harvest-1")
    with session_scope(cramped.ledger.engine) as session:
        before = catalog_digest(session)
    disk.fill()
    with session_scope(cramped.ledger.engine) as session:
        assert catalog_digest(session) == before
