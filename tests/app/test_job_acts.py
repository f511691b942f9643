"""Jobs are stopped, paused, resumed and moved in the queue from the page, without JavaScript, and by programs."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.main import create_app
from catalog.engine import make_engine, session_scope
from catalog.reader import CatalogReader
from catalog.records import JobRecord, WorkerRecord
from catalog.revision import migrate
from catalog.writer import CatalogWriter
from tests.app.conftest import BASE, settings_for
from tests.app.reading import one, soup_of, text_of
from tests.app.stored import job


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Two jobs that wait and one that is over, and a worker that is up."""
    engine = make_engine(database_url)
    migrate(engine)
    with session_scope(engine, write=True) as session:
        writer = CatalogWriter(session)
        for name, status in (("a", "running"), ("b", "queued"), ("c", "complete")):
            writer.save_job(replace(job(id=name), status=status, title=f"Job <{name}>"))
        writer.heartbeat(WorkerRecord("w1", "bench", 4711, "0.1.0", "cpu", "", alive=True))
    yield engine
    engine.dispose()


@pytest.fixture
def client(engine: Engine, database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(create_app(settings_for(database_url, tmp_path)), base_url=BASE) as client:
        yield client


def stored(engine: Engine, job_id: str) -> JobRecord:
    with session_scope(engine) as session:
        return CatalogReader(session).job(job_id)


def press(client: TestClient, job_id: str, label: str) -> None:
    """Send the form of a button as a browser without JavaScript does, and follow it back to the page."""
    article = one(soup_of(client, "/jobs"), f"#job-{job_id}")
    form = next(form for form in article.select("form") if text_of(form) == label)
    assert form["method"] == "post"
    answer = client.post(str(form["action"]), headers={"origin": BASE}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/jobs#job-{job_id}")


def test_the_buttons_of_a_job_pause_resume_and_stop_it(client: TestClient, engine: Engine):
    press(client, "a", "Pause")
    assert stored(engine, "a").status == "paused"
    press(client, "a", "Resume")
    assert stored(engine, "a").status == "queued"
    press(client, "a", "Stop")
    assert stored(engine, "a").status == "cancelled"
    assert not one(soup_of(client, "/jobs"), "#job-a").select("form")


def test_a_job_is_moved_in_the_queue_and_the_page_says_where_it_is(client: TestClient, engine: Engine):
    for label, priority in (("Sooner", 1), ("Sooner", 2), ("Later", 1)):
        press(client, "b", label)
        assert stored(engine, "b").priority == priority
    assert "priority 1" in text_of(one(soup_of(client, "/jobs"), "#job-b"))


def test_a_job_that_is_over_has_no_buttons_and_refuses_in_words(client: TestClient):
    assert not one(soup_of(client, "/jobs"), "#job-c").select("button")
    refused = client.post("/jobs/c/pause", headers={"origin": BASE})
    assert refused.status_code == 409
    assert "is over already: it is complete" in text_of(one(BeautifulSoup(refused.text, "html.parser"), "#error"))
    assert client.post("/jobs/nothing/pause").status_code == 404
    assert client.post("/jobs/a/explode").status_code == 422


@pytest.mark.parametrize("path", ["/jobs/a/cancel", "/api/v1/jobs/a/cancel"])
def test_another_site_cannot_stop_a_job(client: TestClient, engine: Engine, path: str):
    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
        assert client.post(path, headers=headers).status_code == 403
    assert client.get(path).status_code == 405
    assert stored(engine, "a").status == "running"


def test_a_program_pauses_a_job_and_is_told_how_it_is_then(client: TestClient, engine: Engine):
    answer = client.post("/api/v1/jobs/a/pause")
    assert (answer.status_code, answer.json()["status"]) == (200, "paused")
    assert client.post("/api/v1/jobs/c/cancel").json()["error"]["code"] == "job_over"
    assert "/api/v1/jobs/{job_id}/{act}" in client.get("/api/v1/openapi.json").json()["paths"]


def test_a_job_that_every_worker_refuses_says_why_and_the_worker_says_which(client: TestClient, engine: Engine):
    with session_scope(engine, write=True) as session:
        CatalogWriter(session).refuse("w1", "b", "It lacks <the model>.")
    page = soup_of(client, "/jobs")
    assert text_of(one(page, "#job-b .job__standstill")) == (
        "The only worker that is up cannot do this: It lacks <the model>."
    )
    assert "Cannot do b: It lacks <the model>." in text_of(one(page, "#jobs .workers"))
    assert not page.select("#job-a .job__standstill")
    told = client.get("/api/v1/jobs").json()["workers"][0]["refuses"]
    assert told == [{"job_id": "b", "reason": "It lacks <the model>."}]
