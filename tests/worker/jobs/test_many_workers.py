"""Several workers in processes of their own, on PostgreSQL, each with a home of its own as on another machine."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from catalog.engine import session_scope
from catalog.hindrance import hindrance
from catalog.records import DictionaryRecord, JobRecord
from catalog.schema import ShardProgressRow
from catalog.settings import CatalogSettings
from tests.tiny import TinyWorld
from tests.worker.jobs.compare import everything_of
from tests.worker.jobs.object_store import s3_server, s3_url  # noqa: F401 (fixtures)
from tests.worker.jobs.test_harvest_steps import run
from tests.worker.jobs.worker_process import wait_for_end, wait_until, worker_process
from worker.jobs.context import JobContext
from worker.jobs.durable import client, migrate_jobs_database
from worker.jobs.requests import CorpusRequest, HarvestRequest, to_json
from worker.jobs.settings import WorkerSettings
from worker.jobs.submit import submit

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("database_url", ["postgres"], indirect=True)]
SHARD_TOKENS = 120


def on_machine(context: JobContext, name: str, store: str) -> WorkerSettings:
    """The settings of a worker with a home of its own: only the database and the store are shared."""
    catalog = CatalogSettings(context.home.parent / name, context.settings.catalog.database_url)
    return replace(context.settings, catalog=catalog, store=store)


def ask(context: JobContext, world: TinyWorld) -> str:
    migrate_jobs_database(context.settings)
    asked = HarvestRequest(("tiny-sae",), str(world.corpus), shard_tokens=SHARD_TOKENS, again=True)
    return submit(context.settings, context.ledger, "harvest", to_json(asked), title="shared")


def alone(context: JobContext, world: TinyWorld) -> dict[str, object]:
    """What a harvest of one process says, taken as the truth."""
    harvest_id = run(context, HarvestRequest(("tiny-sae",), str(world.corpus), shard_tokens=SHARD_TOKENS))
    return everything_of(context.ledger, "tiny-sae", harvest_id)


def result_of(context: JobContext, job_id: str) -> dict[str, object]:
    with context.ledger.reading() as reader:
        harvest_id = next(harvest.id for harvest in reader.harvests() if harvest.job_id == job_id)
    return everything_of(context.ledger, "tiny-sae", harvest_id)


def in_shards(context: JobContext, job_id: str) -> tuple[JobRecord, int]:
    """The job, and the sum over its shards, at one moment."""
    with context.ledger.reading() as reader:
        return reader.job(job_id), reader._session.scalar(select(func.coalesce(func.sum(ShardProgressRow.done), 0)))


def shards_of(context: JobContext, job_id: str, *, status: str) -> list[str]:
    """Executors of the job's shards of a status."""
    with client(context.settings) as door:
        found = door.list_workflows(parent_workflow_id=job_id, status=status, load_input=False, load_output=False)
    return [workflow.executor_id or "" for workflow in found]


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return request.getfixturevalue("s3_url") if request.param == "s3" else str(tmp_path / "shared")


def test_two_machines_share_a_harvest_and_when_one_dies_for_good_the_other_ends_it(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld, store: str
):
    truth = alone(context, tiny_world)
    job_id = ask(context, tiny_world)
    seen: list[int] = []

    def both_have_done_some() -> bool:
        job, total = in_shards(context, job_id)
        if job.message == "Harvesting" and job.unit == "tokens":
            assert job.done in (0, total)
            seen.append(job.done)
        return len(set(shards_of(context, job_id, status="SUCCESS"))) == 2

    settings = [on_machine(context, name, store) for name in ("machine-a", "machine-b")]
    with worker_process(settings[0], FEATURESCOPE_STORE=store) as first:
        with worker_process(settings[1], FEATURESCOPE_STORE=store):
            wait_until(both_have_done_some, "both machines have done a shard")
            first.kill()
            assert wait_for_end(context.ledger, job_id) == "complete", context.ledger.job(job_id)
    assert seen == sorted(seen)
    assert len(seen) > 2
    assert result_of(context, job_id) == truth
    with context.ledger.reading() as reader:
        harvest = next(harvest for harvest in reader.harvests() if harvest.job_id == job_id)
    assert harvest.tokens_done == harvest.tokens > 0


def test_a_job_rests_while_it_is_paused_and_ends_with_the_same_numbers(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld, tmp_path: Path
):
    truth = alone(context, tiny_world)
    job_id = ask(context, tiny_world)
    with worker_process(context.settings), worker_process(context.settings):
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
    assert result_of(context, job_id) == truth


def test_a_cancelled_job_stops_everywhere_and_leaves_no_shard_behind(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    job_id = ask(context, tiny_world)
    with worker_process(context.settings), worker_process(context.settings):
        wait_until(lambda: len(shards_of(context, job_id, status="SUCCESS")) >= 2, "two shards are done")
        with context.ledger.writing() as writer:
            writer.cancel_job(job_id)
        for status in ("PENDING", "ENQUEUED"):
            wait_until(lambda status=status: not shards_of(context, job_id, status=status), f"no shard is {status}")
    with context.ledger.reading() as reader:
        assert [harvest.status for harvest in reader.harvests() if harvest.job_id == job_id] == ["cancelled"]


def test_a_worker_without_the_model_hands_the_job_back_and_says_so_and_another_does_it(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld, tmp_path: Path
):
    truth = alone(context, tiny_world)
    homes = {name: tmp_path / f"user-{name}" for name in ("with", "without")}
    for home in homes.values():
        home.mkdir()
    (homes["with"] / "the-model").symlink_to(tiny_world.model)
    with session_scope(context.ledger.engine, write=True) as session:
        session.execute(text("UPDATE model SET source = '~/the-model'"))
    job_id = ask(context, tiny_world)

    def told() -> str:
        with context.ledger.reading() as reader:
            return hindrance(reader.job(job_id), reader.workers())

    with worker_process(context.settings, HOME=str(homes["without"])) as without:
        wait_until(lambda: "cannot do this" in told(), "the worker says that it cannot do it")
        assert "It lacks the model 'tiny': There is no folder '~/the-model'" in told()
        with worker_process(context.settings, HOME=str(homes["with"])):
            assert wait_for_end(context.ledger, job_id) == "complete", context.ledger.job(job_id)
        without.terminate()
        said, _ = without.communicate(timeout=60)
    assert said.count(f"This worker cannot do {job_id}, hands it back and does not take it again.") == 1
    assert result_of(context, job_id) == truth


def test_a_worker_that_comes_late_and_lacks_the_model_leaves_the_shards_to_the_others(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld, tmp_path: Path
):
    truth = alone(context, tiny_world)
    job_id = ask(context, tiny_world)
    with session_scope(context.ledger.engine, write=True) as session:
        session.execute(text("UPDATE model SET source = '~/the-model'"))
    (tmp_path / "with").mkdir()
    (tmp_path / "with" / "the-model").symlink_to(tiny_world.model)
    (tmp_path / "without").mkdir()

    def refusers() -> int:
        with context.ledger.reading() as reader:
            return sum(refusal.job_id == job_id for worker in reader.workers() for refusal in worker.refuses)

    with worker_process(context.settings, HOME=str(tmp_path / "with")):
        wait_until(lambda: bool(shards_of(context, job_id, status="ENQUEUED")), "the shards are on the queue")
        with worker_process(context.settings, HOME=str(tmp_path / "without")):
            wait_until(lambda: refusers() == 1 or _is_over(context, job_id), "the late worker refuses")
            assert wait_for_end(context.ledger, job_id) == "complete", context.ledger.job(job_id)
    assert result_of(context, job_id) == truth


def _is_over(context: JobContext, job_id: str) -> bool:
    return context.ledger.job(job_id).finished_at is not None


def test_a_worker_of_another_version_is_refused_while_others_are_up(
    context: JobContext, sae: DictionaryRecord, tmp_path: Path
):
    migrate_jobs_database(context.settings)
    other = tmp_path / "elsewhere" / "featurescope-99.1.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: featurescope\nVersion: 99.1\n")
    path = os.pathsep.join([str(other.parent), os.environ.get("PYTHONPATH", "")])

    def up() -> bool:
        with context.ledger.reading() as reader:
            return any(worker.alive for worker in reader.workers())

    with worker_process(context.settings):
        wait_until(up, "the worker is up")
        # A safe path leaves out the working folder, where an installation from a clone leaves its own version.
        with worker_process(context.settings, PYTHONPATH=path, PYTHONSAFEPATH="1") as newer:
            said, _ = newer.communicate(timeout=240)
            assert newer.returncode == 1
    assert "and this one is 99.1+jobs." in said
    assert "All workers of a catalog run the same version" in said
    assert "Traceback" not in said


def test_jobs_that_wait_are_taken_by_priority_which_can_change_while_they_wait(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    migrate_jobs_database(context.settings)

    def ask_for(n_documents: int, priority: int) -> str:
        asked = to_json(CorpusRequest(model="tiny", source=str(tiny_world.corpus), max_documents=n_documents))
        return submit(context.settings, context.ledger, "corpus", asked, title="t", priority=priority)

    plain, urgent, late, raised = (ask_for(n, p) for n, p in ((1, 0), (2, 5), (3, -5), (4, 0)))
    with context.ledger.writing() as writer:
        writer.set_priority(raised, 9)
    with worker_process(context.settings):
        ends = [wait_for_end(context.ledger, each) for each in (plain, urgent, late, raised)]
    assert ends == ["complete"] * 4
    ended: Callable[[str], str] = lambda each: context.ledger.job(each).finished_at or ""  # noqa: E731
    assert sorted((plain, urgent, late, raised), key=ended) == [raised, urgent, plain, late]
