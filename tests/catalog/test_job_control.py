"""What people do to jobs, what shards say of their progress, and why a job stands still; on both databases."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from catalog.engine import session_scope
from catalog.errors import BadRecord, JobOver, NotFound
from catalog.hindrance import hindrance
from catalog.reader import CatalogReader
from catalog.records import JobRecord, Refusal, WorkerRecord
from catalog.writer import CatalogWriter

JOB = JobRecord(
    id="harvest-1",
    kind="harvest",
    title="t",
    status="queued",
    done=0,
    total=100,
    unit="tokens",
    rate=None,
    seconds_left=None,
    message="",
    error=None,
    created_at="2026-01-01T00:00:00",
    started_at=None,
    finished_at=None,
)
WORKER = WorkerRecord("w1", "host", 1, "0", "cpu", "", alive=True)


@pytest.fixture
def writer(engine: Engine) -> Iterator[CatalogWriter]:
    with session_scope(engine, write=True) as session:
        writer = CatalogWriter(session)
        for number, created in ((1, "2026-01-01"), (2, "2026-01-02"), (3, "2026-01-03")):
            writer.save_job(replace(JOB, id=f"harvest-{number}", created_at=created))
        yield writer


def status(writer: CatalogWriter, job_id: str = "harvest-1") -> str:
    return CatalogReader(writer._session).job(job_id).status


def test_a_job_rests_and_goes_on_and_is_stopped(writer: CatalogWriter):
    writer.pause_job("harvest-1")
    assert status(writer) == "paused"
    writer.pause_job("harvest-1")
    writer.resume_job("harvest-1")
    assert status(writer) == "queued"
    writer.cancel_job("harvest-1")
    assert status(writer) == "cancelled"
    assert CatalogReader(writer._session).job("harvest-1").finished_at


def test_resuming_what_does_not_rest_changes_nothing(writer: CatalogWriter):
    writer.update_job("harvest-1", status="running", message="Harvesting")
    writer.resume_job("harvest-1")
    assert (status(writer), CatalogReader(writer._session).job("harvest-1").message) == ("running", "Harvesting")


@pytest.mark.parametrize("act", ["cancel_job", "pause_job", "resume_job"])
def test_nothing_is_asked_of_a_job_that_is_over_or_unknown(writer: CatalogWriter, act: str):
    writer.update_job("harvest-1", status="complete")
    with pytest.raises(JobOver, match="'harvest-1' is over already: it is complete"):
        getattr(writer, act)("harvest-1")
    with pytest.raises(NotFound, match="no job 'nothing'"):
        getattr(writer, act)("nothing")


def test_jobs_that_wait_come_by_priority_and_then_by_age(writer: CatalogWriter):
    writer.set_priority("harvest-3", 5)
    assert [job.id for job in CatalogReader(writer._session).jobs_in("queued")] == [
        "harvest-3",
        "harvest-1",
        "harvest-2",
    ]
    with pytest.raises(BadRecord, match="from -100 to 100; 101 does not"):
        writer.set_priority("harvest-1", 101)


def test_progress_is_the_sum_over_shards_and_a_shard_that_begins_anew_takes_nothing_back(writer: CatalogWriter):
    said = [
        writer.shard_done("harvest-1", "h", shard, done=done)
        for shard, done in ((0, 10), (1, 5), (0, 30), (1, 2), (1, 40))
    ]
    assert said == [10, 15, 35, 35, 70]
    assert writer.shard_done("harvest-1", "another", 0, done=1) == 1


def test_a_refusal_is_told_with_the_worker_and_goes_with_it(writer: CatalogWriter):
    writer.heartbeat(WORKER)
    writer.refuse("w1", "harvest-1", "no model")
    writer.refuse("w1", "harvest-1", "still no model")
    assert CatalogReader(writer._session).workers()[0].refuses == (Refusal("harvest-1", "still no model"),)
    writer.forget_worker("w1")
    writer.heartbeat(WORKER)
    assert CatalogReader(writer._session).workers()[0].refuses == ()


def test_a_job_stands_still_where_no_worker_is_up_or_each_refuses_it():
    refuses = replace(WORKER, refuses=(Refusal("harvest-1", "It lacks the model."),))
    assert "Start one with: featurescope worker" in hindrance(JOB, [])
    assert "Start one with: featurescope worker" in hindrance(JOB, [replace(WORKER, alive=False)])
    assert hindrance(JOB, [refuses, replace(WORKER, executor_id="w2")]) == ""
    assert hindrance(JOB, [refuses]) == "The only worker that is up cannot do this: It lacks the model."
    assert hindrance(JOB, [refuses, refuses]).startswith("None of the 2 workers that are up can do this: It lacks")
    assert hindrance(replace(JOB, status="paused"), [refuses]) == ""
