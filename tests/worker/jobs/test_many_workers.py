"""Several workers in processes of their own, on PostgreSQL, each with a home of its own as on another machine."""

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
from tests.worker.jobs.object_store import s3_server, s3_url  # noqa: F401 (fixtures)
from tests.worker.jobs.shared_harvest import alone, ask, result_of, shards_of
from tests.worker.jobs.worker_process import wait_for_end, wait_until, worker_process
from worker.jobs.context import JobContext
from worker.jobs.durable import migrate_jobs_database
from worker.jobs.requests import CorpusRequest, to_json
from worker.jobs.settings import WorkerSettings
from worker.jobs.submit import submit

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("database_url", ["postgres"], indirect=True)]


def on_machine(context: JobContext, name: str, store: str) -> WorkerSettings:
    """The settings of a worker with a home of its own: only the database and the store are shared."""
    catalog = CatalogSettings(context.home.parent / name, context.settings.catalog.database_url)
    return replace(context.settings, catalog=catalog, store=store)


def in_shards(context: JobContext, job_id: str) -> tuple[JobRecord, int]:
    """The job, and the sum over its shards, at one moment."""
    with context.ledger.reading() as reader:
        return reader.job(job_id), reader._session.scalar(select(func.coalesce(func.sum(ShardProgressRow.done), 0)))


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
