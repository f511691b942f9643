"""Harvests of one dictionary asked for at the same time: they follow each other, and neither changes the other."""

import threading
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from catalog.records import DictionaryRecord, HarvestRecord
from catalog.writer import CatalogWriter
from tests.tiny import TinyWorld, tiny_dictionary, write_corpus
from tests.worker.jobs.compare import everything_of
from tests.worker.jobs.test_harvest_steps import run
from tests.worker.jobs.worker_process import wait_for_end, wait_until, worker_process
from worker.jobs.context import JobContext
from worker.jobs.durable import migrate_jobs_database
from worker.jobs.errors import JobCancelled
from worker.jobs.harvest_claim import Claim, claim_harvest
from worker.jobs.harvest_finish import finish
from worker.jobs.harvest_prepare import prepare
from worker.jobs.harvest_shard import run_shard
from worker.jobs.register import add_dictionary
from worker.jobs.requests import HarvestRequest, to_json
from worker.jobs.submit import submit
from worker.sae import formats

SHARD_TOKENS = 250


def request(corpus: Path, **more: object) -> HarvestRequest:
    return HarvestRequest(("tiny-sae",), str(corpus), shard_tokens=SHARD_TOKENS, **more)


def ask_for_all(context: JobContext, requests: list[HarvestRequest]) -> list[str]:
    """Jobs put on the queue by as many threads at the same moment."""
    migrate_jobs_database(context.settings)
    ids: list[str] = []

    def ask(asked: HarvestRequest) -> None:
        ids.append(submit(context.settings, context.ledger, "harvest", to_json(asked), title="at once"))

    in_threads([lambda asked=asked: ask(asked) for asked in requests])
    return ids


def in_threads(works: list) -> None:
    barrier, failures = threading.Barrier(len(works)), []

    def at_once(work) -> None:
        barrier.wait()
        try:
            work()
        except Exception as error:  # noqa: BLE001 (told in the test's own thread)
            failures.append(error)

    threads = [threading.Thread(target=at_once, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=300)
    assert not failures, failures
    assert not any(thread.is_alive() for thread in threads)


def finish_all(context: JobContext, jobs: list[str]) -> list[HarvestRecord]:
    """With one worker on SQLite, and two on Postgres. The harvests, oldest first."""
    with ExitStack() as stack:
        for _ in range(1 if context.settings.on_sqlite else 2):
            stack.enter_context(worker_process(context.settings))
        assert [wait_for_end(context.ledger, job) for job in jobs] == ["complete"] * len(jobs), [
            context.ledger.job(job) for job in jobs
        ]
    with context.ledger.reading() as reader:
        return reader.harvests()[::-1]


@pytest.mark.slow
def test_the_same_harvest_asked_for_twice_at_once_is_made_once(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    jobs = ask_for_all(context, [request(tiny_world.corpus)] * 2)
    (harvest,) = finish_all(context, jobs)
    assert harvest.status == "complete"
    assert sum("Nothing to do" in context.ledger.job(job).message for job in jobs) == 1


@pytest.mark.slow
def test_harvests_over_other_corpora_and_with_other_options_follow_each_other_unmixed(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld, tmp_path: Path
):
    write_corpus(tmp_path / "other", documents=9)
    requests = [request(tiny_world.corpus), request(tmp_path / "other"), request(tiny_world.corpus, seed=5)]
    harvests = finish_all(context, ask_for_all(context, requests))
    assert len({harvest.plan["key"] for harvest in harvests}) == 3
    for earlier, later in pairwise(harvests):
        assert earlier.finished_at is not None
        assert earlier.finished_at[:23] <= later.created_at[:23]
    seen = {harvest.id: everything_of(context.ledger, "tiny-sae", harvest.id) for harvest in harvests}
    for number, asked in enumerate(requests):
        alone = run(context, replace(asked, again=True), f"alone-{number}")
        assert seen[alone.removesuffix("-2")] == everything_of(context.ledger, "tiny-sae", alone)


def test_of_many_claims_at_once_one_holds_and_each_gets_its_turn(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    migrate_jobs_database(context.settings)
    context.ledger.queued("model", kind="harvest", title="test")
    record = _row(context, tiny_world)
    holding, most = [], []

    def claimant(number: int) -> None:
        job_id = f"job-{number}"
        context.ledger.queued(job_id, kind="harvest", title="test")

        def add(writer: CatalogWriter, harvest_id: str) -> None:
            writer.add_harvest(replace(record, id=harvest_id, job_id=job_id, status="running"))

        claim_harvest(context, Claim(job_id, f"key{number % 2}", ("tiny-sae",), again=True), add)
        holding.append(job_id)
        most.append(len(holding))
        holding.remove(job_id)
        context.ledger.ended(job_id, "failed", error="enough")

    in_threads([lambda number=number: claimant(number) for number in range(4)])
    assert most == [1] * 4


def _row(context: JobContext, world: TinyWorld) -> HarvestRecord:
    """A harvest's row as a plan makes it, over."""
    prepared = prepare(context, "model", request(world.corpus))
    context.ledger.ended("model", "failed", error="only its row was wanted")
    with context.ledger.reading() as reader:
        return reader.harvest(prepared["harvest"])


def test_a_job_that_waits_says_for_what_and_can_be_stopped(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    migrate_jobs_database(context.settings)
    for job in ("first", "second"):
        context.ledger.queued(job, kind="harvest", title="test")
    prepare(context, "first", request(tiny_world.corpus))
    stopped: list[str] = []

    def wait() -> None:
        with pytest.raises(JobCancelled, match="is cancelled"):
            prepare(context, "second", request(tiny_world.corpus))
        stopped.append("second")

    waiting = threading.Thread(target=wait)
    waiting.start()
    told = "Waiting for the job first, which harvests tiny-sae already"
    wait_until(lambda: context.ledger.job("second").message == told, "it says so")
    context.ledger.ended("second", "cancelled")
    waiting.join(timeout=60)
    assert stopped == ["second"]


def test_harvests_of_different_dictionaries_finishing_at_once_lose_no_context(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld, tmp_path: Path
):
    model = context.models.get(str(tiny_world.model))
    formats.save(tiny_dictionary(seed=3), tmp_path / "other")
    other = formats.load(tmp_path / "other")
    add_dictionary(context.ledger, model, other, source=str(tmp_path / "other"), model_slug="tiny", name="other")
    slugs = ("tiny-sae", "other")
    for slug in slugs:
        context.ledger.queued(slug, kind="harvest", title="test")
    prepared = add_shards(context, tiny_world, slugs)
    in_threads([lambda slug=slug: finish(context, slug, prepared[slug]) for slug in slugs])
    with context.ledger.reading() as reader:
        for slug in slugs:
            for index in range(reader.dictionary(slug).d_sae):
                reader.feature_page_data(slug, index, prepared[slug])


def add_shards(context: JobContext, world: TinyWorld, slugs: tuple[str, ...]) -> dict[str, str]:
    """Harvests of each dictionary with all their shards done."""
    harvests = {}
    for slug in slugs:
        found = prepare(context, slug, replace(request(world.corpus), dictionaries=(slug,), n_top=2, n_sample=16))
        for shard in range(found["shards"]):
            run_shard(context, slug, found["harvest"], shard)
        harvests[slug] = found["harvest"]
    return harvests
