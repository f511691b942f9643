"""Workers in processes of their own, killed in the middle of a harvest: it goes on and ends with the same numbers."""

import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.records import DictionaryRecord
from tests.tiny import TinyWorld
from tests.worker.jobs.compare import everything_of
from tests.worker.jobs.test_harvest_steps import run
from tests.worker.jobs.worker_process import wait_for_end, wait_until, worker_process
from worker.jobs.context import JobContext
from worker.jobs.durable import migrate_jobs_database
from worker.jobs.requests import HarvestRequest, to_json
from worker.jobs.submit import submit

pytestmark = pytest.mark.slow
SHARD_TOKENS = 250


def ask(context: JobContext, world: TinyWorld) -> str:
    migrate_jobs_database(context.settings)
    asked = HarvestRequest(("tiny-sae",), str(world.corpus), shard_tokens=SHARD_TOKENS, again=True)
    return submit(context.settings, context.ledger, "harvest", to_json(asked), title="killed")


def no_file_grows_beyond(size: int) -> Callable[[], None]:
    """A limit that does not go away by itself, as a full disk may (`test_full_disk.py`)."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def shards_of(context: JobContext) -> list[Path]:
    return sorted((context.home / "harvests").glob("*/shard-*.npz"))


def harvest_of(context: JobContext, job_id: str) -> str:
    with context.ledger.reading() as reader:
        return next(harvest.id for harvest in reader.harvests() if harvest.job_id == job_id)


def test_a_killed_harvest_goes_on_with_the_next_worker_to_the_same_result(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    whole = run(context, HarvestRequest(("tiny-sae",), str(tiny_world.corpus), shard_tokens=SHARD_TOKENS))
    job_id = ask(context, tiny_world)
    with worker_process(context.settings) as first:
        wait_until(lambda: len(shards_of(context)) >= 3, "three shards are done")
        first.kill()
        first.wait()
    killed_after = {shard: shard.stat().st_mtime_ns for shard in shards_of(context)}
    assert context.ledger.job(job_id).status == "running"
    kept: list[bool] = []
    with worker_process(context.settings):
        wait_until(lambda: len(shards_of(context)) > len(killed_after), "the second worker goes on")
        kept = [shard.stat().st_mtime_ns == time for shard, time in killed_after.items()]
        assert wait_for_end(context.ledger, job_id) == "complete", context.ledger.job(job_id)
    resumed = harvest_of(context, job_id)
    assert all(kept)
    assert resumed != whole
    assert everything_of(context.ledger, "tiny-sae", resumed) == everything_of(context.ledger, "tiny-sae", whole)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_on_postgres_a_living_worker_takes_over_from_a_killed_one(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    whole = run(context, HarvestRequest(("tiny-sae",), str(tiny_world.corpus), shard_tokens=SHARD_TOKENS))
    job_id = ask(context, tiny_world)

    def workers() -> int:
        with context.ledger.reading() as reader:
            return len(reader.workers())

    with worker_process(context.settings) as first, worker_process(context.settings):
        wait_until(lambda: workers() == 2 and len(shards_of(context)) >= 2, "both workers are at it")
        first.kill()
        assert wait_for_end(context.ledger, job_id) == "complete", context.ledger.job(job_id)
    resumed = harvest_of(context, job_id)
    assert everything_of(context.ledger, "tiny-sae", resumed) == everything_of(context.ledger, "tiny-sae", whole)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_limit_on_the_size_of_files_fails_the_job_with_a_clear_message_and_leaves_no_results(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    run(context, HarvestRequest(("tiny-sae",), str(tiny_world.corpus), shard_tokens=2 * SHARD_TOKENS))
    job_id = ask(context, tiny_world)
    with worker_process(context.settings, limits=no_file_grows_beyond(16_000)):
        assert wait_for_end(context.ledger, job_id) == "failed"
    told = context.ledger.job(job_id).error
    assert told is not None
    assert "make room there and start the job again" in told
    with context.ledger.reading() as reader:
        assert reader.harvest(harvest_of(context, job_id)).status == "failed"
        shown = reader.dictionary("tiny-sae").harvest
    assert shown is not None
    assert shown.job_id != job_id
    assert not list((context.home / "harvests").glob("*/.*"))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_second_worker_on_sqlite_is_refused_and_the_first_stops_when_told(context: JobContext, sae: DictionaryRecord):
    migrate_jobs_database(context.settings)

    def up() -> bool:
        with context.ledger.reading() as reader:
            return any(worker.alive for worker in reader.workers())

    with worker_process(context.settings) as first:
        wait_until(up, "the worker is up")
        with worker_process(context.settings) as second:
            said, _ = second.communicate(timeout=240)
            assert second.returncode == 1
            assert "A worker already runs" in said
        first.terminate()
        assert first.wait(timeout=60) == 0
    assert not up()
