"""Open pages hear of what others do to the labels of a feature: through two servers on PostgreSQL, one on SQLite."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from catalog.engine import make_engine
from tests.app.label_crowd import Servers
from tests.app.labelled import API, FEATURE
from tests.app.people import HEADER
from tests.app.stored import store
from tests.app.synthetic import SyntheticHarvest

PATIENCE_SECONDS = 60.0
EVENTS = f"{FEATURE}/labels/events"


@pytest.fixture
def servers(database_url: str, harvested: SyntheticHarvest) -> Iterator[list[str]]:
    """Addresses of two servers, which on SQLite are one and the same."""
    engine = make_engine(database_url)
    store(engine, harvested)
    engine.dispose()
    with Servers(database_url, 2 if database_url.startswith("postgres") else 1) as started:
        yield (started.addresses * 2)[:2]


class Stream:
    """What one open page hears."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()

    def next(self, kind: str) -> dict[str, Any]:
        """The data of the next event of that kind; other events are passed over."""
        found, event = "", {}
        for line in self._lines:
            name, _, value = line.partition(": ")
            if name == "event":
                found = value
            elif name == "id":
                event = {"id": int(value)}
            elif name == "data" and found == kind:
                return {**event, **json.loads(value)}
        raise AssertionError("the stream has ended")

    def is_open(self) -> bool:
        """Whether it has said that it is there."""
        return next(self._lines).startswith(":")


@contextmanager
def listening(address: str, name: str, **headers: str) -> Iterator[Stream]:
    with httpx.Client(timeout=PATIENCE_SECONDS, headers={HEADER: f"{name}:viewer", **headers}) as client:
        with client.stream("GET", f"{address}{EVENTS}") as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            stream = Stream(response)
            assert stream.is_open()
            yield stream


def propose(address: str, text: str) -> dict[str, Any]:
    body = {"text": text}
    answer = httpx.post(f"{address}{API}", json=body, headers={HEADER: "kim:labeller"}, timeout=PATIENCE_SECONDS)
    assert answer.status_code == 201
    return answer.json()


def test_a_change_through_one_server_reaches_pages_of_the_other(servers: list[str]):
    with listening(servers[1], "ada") as ada, listening(servers[0], "vic") as vic:
        key = propose(servers[0], "cats")["key"]
        first = ada.next("labels")
        assert first["id"] == first["change"] == vic.next("labels")["change"]
        vote = httpx.put(f"{servers[1]}/api/v1/labels/{key}/vote", json={"value": 1}, headers={HEADER: "ada:labeller"})
        assert vote.status_code == 200
        assert ada.next("labels")["change"] == vic.next("labels")["change"] > first["change"]


def test_a_page_that_comes_back_is_told_whether_there_is_more(servers: list[str]):
    with listening(servers[0], "ada") as ada:
        propose(servers[0], "cats")
        seen = ada.next("labels")["id"]
    propose(servers[1], "dogs")
    with listening(servers[1], "ada", **{"last-event-id": str(seen)}) as back:
        newest = back.next("labels")["id"]
        assert newest > seen
    with listening(servers[1], "ada", **{"last-event-id": str(newest)}) as back:
        propose(servers[0], "birds")
        assert back.next("labels")["id"] > newest


def test_who_looks_is_told_to_the_others_and_when_they_go(servers: list[str]):
    with listening(servers[0], "ada") as ada:
        with listening(servers[1], "kim") as kim:
            assert ada.next("presence")["names"] == ["kim"]
            assert kim.next("presence")["names"] == ["ada"]
            with listening(servers[1], "kim"):
                with listening(servers[0], "vic") as vic:
                    assert ada.next("presence")["names"] == ["kim", "vic"]
                    heard = vic.next("presence")["names"]
                    assert heard == ["ada", "kim"] or vic.next("presence")["names"] == ["ada", "kim"]
                assert ada.next("presence")["names"] == ["kim"]
        assert ada.next("presence")["names"] == []


def test_streams_hold_no_thread_and_no_session(servers: list[str]):
    """Far more streams than a server has threads (40) or connections (15), and it answers as before."""
    headers = {HEADER: "ada:viewer"}
    with httpx.Client(timeout=PATIENCE_SECONDS, headers=headers, limits=httpx.Limits(max_connections=100)) as client:
        opened = []
        for number in range(80):
            request = client.build_request("GET", f"{servers[0]}/d/tiny-mid/{number % 5}/labels/events")
            response = client.send(request, stream=True)
            assert next(response.iter_raw()).startswith(b":")
            opened.append(response)
        assert client.get(f"{servers[0]}{FEATURE}").status_code == 200
        for response in opened:
            response.close()


def test_a_stream_of_nothing_is_not_opened(servers: list[str]):
    headers = {HEADER: "ada:viewer"}
    for path in ("/d/nothing/0", "/d/tiny-mid/999", f"/d/tiny-mid/{10**30}"):
        assert httpx.get(f"{servers[0]}{path}/labels/events", headers=headers).status_code == 404


def test_a_lost_connection_to_postgresql_is_made_again_and_what_came_meanwhile_is_told(
    postgres_url: str, harvested: SyntheticHarvest
):
    engine = make_engine(postgres_url)
    store(engine, harvested)
    ears = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'")
    with Servers(postgres_url, 2) as started, listening(started.addresses[1], "ada") as ada:
        propose(started.addresses[0], "cats")
        first = ada.next("labels")["change"]
        with engine.connect() as connection:
            assert connection.execute(ears).scalars().all() == [True]
        propose(started.addresses[0], "dogs")
        assert ada.next("labels")["change"] > first
    engine.dispose()
