"""The way to a door that is shut, silent, busy or dies: a clear message soon, and nobody else is held up."""

import asyncio
import json
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

import httpx
import pytest
from fastapi.testclient import TestClient

from app.live.asking import unless_gone
from app.live.client import LiveClient
from app.live.doors import Door
from app.live.failures import ClientGone, LiveFailure
from app.main import create_app
from catalog.live_secret import make_live_secret
from catalog.records import WorkerRecord
from tests import own_loop
from tests.live.conftest import BASE, SAE, LiveWorld, app_settings, open_door
from tests.worker.jobs.worker_process import wait_until, worker_process
from worker.jobs.durable import migrate_jobs_database
from worker.jobs.settings import LiveSettings
from worker.live.limits import LiveLimits

ASKED = {"texts": ["alpha"], "dictionaries": [SAE]}
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 100\r\n\r\nten bytes."
SOON_SECONDS = 2.0


class Given:
    """Doors in a given order."""

    def __init__(self, *addresses: str) -> None:
        self._doors = tuple(Door(address, "s") for address in addresses)

    def in_turn(self, model: str) -> tuple[Door, ...]:
        return self._doors


def failing(status: int, code: str, message: str) -> bytes:
    body = json.dumps({"error": {"code": code, "message": message, "hint": "h"}}).encode()
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@asynccontextmanager
async def door(answer: bytes, *, is_open: bool = False) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Reads a request, says those bytes, and hangs up, or stays: a socket of our own. The event: the client left."""
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(int(length.split(b":")[1]))
        writer.write(answer)
        await writer.drain()
        if is_open:
            await reader.read()
            left.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", left


def shut_address() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


async def asked_of(*addresses: str, seconds: float = 60) -> bytes:
    return await LiveClient(Given(*addresses), seconds=seconds).post("/activations", ASKED, model="m")


def failure_of(*answers: bytes, seconds: float = 60, is_open: bool = False) -> LiveFailure:
    async def trial() -> None:
        async with door(answers[0], is_open=is_open) as (one, _):
            if len(answers) == 1:
                await asked_of(one, seconds=seconds)
            async with door(answers[-1], is_open=is_open) as (other, _):
                await asked_of(one, other, seconds=seconds)

    with pytest.raises(LiveFailure) as caught:
        own_loop.run(trial())
    return caught.value


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-", OK])
def test_a_worker_that_goes_away_at_any_point_of_its_answer_is_told(answer: bytes):
    failure = failure_of(answer)
    assert (failure.status, failure.code) == (502, "worker_lost")
    assert "went away while it was at this request" in str(failure)


def test_a_silent_worker_is_given_up_after_a_while():
    failure = failure_of(b"", seconds=0.3, is_open=True)
    assert (failure.status, failure.code) == (504, "too_slow")
    assert "has not answered for 0.3 seconds" in str(failure)


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (413, "too_large", 413),
        (429, "busy", 429),
        (422, "bad_request", 422),
        (409, "cannot_load", 409),
        (503, "out_of_memory", 503),
        (500, "worker_error", 502),
        (401, "refused", 502),
    ],
)
def test_what_a_worker_says_is_wrong_is_passed_on(status: int, code: str, told: int):
    failure = failure_of(failing(status, code, "It is so."))
    assert (failure.status, failure.code, str(failure), failure.hint) == (told, code, "It is so.", "h")


def test_something_else_on_the_port_is_named():
    failure = failure_of(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")
    assert "is no live door" in str(failure)


def test_a_worker_that_is_shut_or_busy_is_passed_over():
    async def trial() -> bytes:
        busy = failing(429, "busy", "Full.")
        async with door(busy) as (first, _), door(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes") as (last, _):
            return await asked_of(shut_address(), first, last)

    assert own_loop.run(trial()) == b"yes"


def test_when_all_are_busy_that_is_what_is_said_and_a_mistake_is_not_asked_twice():
    assert failure_of(failing(429, "busy", "One."), failing(429, "busy", "Two.")).code == "busy"
    assert str(failure_of(failing(422, "bad_request", "Wrong."), failing(429, "busy", "Two."))) == "Wrong."


def test_when_none_can_be_reached_no_worker_is_up():
    with pytest.raises(LiveFailure, match="No worker is up"):
        own_loop.run(asked_of(shut_address(), shut_address()))


def test_cancelling_a_request_hangs_up():
    async def trial() -> None:
        async with door(b"", is_open=True) as (address, left):
            task = asyncio.create_task(asked_of(address))
            await asyncio.sleep(0.2)
            task.cancel()
            await asyncio.wait_for(left.wait(), 30)

    own_loop.run(trial())


def test_work_for_somebody_gone_is_cancelled():
    class Request:
        async def receive(self) -> dict:
            return {"type": "http.disconnect"}

    async def trial() -> bool:
        cancelled = asyncio.Event()

        async def work() -> None:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                cancelled.set()
                raise

        with pytest.raises(ClientGone):
            await unless_gone(Request(), work())  # pyright: ignore[reportArgumentType]
        return cancelled.is_set()

    assert own_loop.run(trial())


@contextmanager
def app_over(world: LiveWorld) -> Iterator[TestClient]:
    with TestClient(create_app(app_settings(world)), base_url=BASE) as client:
        yield client


def test_without_a_worker_it_is_said_and_the_rest_of_the_site_is_unharmed(lonely_world: LiveWorld):
    world = lonely_world
    with app_over(world) as client:
        response = client.post("/api/v1/live", json=ASKED)
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "no_worker"
        assert response.headers["Retry-After"] == "3"
        assert client.get(f"/d/{SAE}").status_code == 200
        with open_door(world):
            assert client.post("/api/v1/live", json=ASKED).status_code == 200
        assert client.post("/api/v1/live", json=ASKED).status_code == 503


def test_a_worker_without_a_door_is_told_apart(lonely_world: LiveWorld):
    world = lonely_world
    with world.context.ledger.writing() as writer:
        writer.heartbeat(WorkerRecord("doorless", "bench", 1, "0", "cpu", "", alive=True))
    try:
        with app_over(world) as client:
            error = client.post("/api/v1/live", json=ASKED).json()["error"]
        assert error["code"] == "no_live_door"
    finally:
        with world.context.ledger.writing() as writer:
            writer.forget_worker("doorless")


def test_beyond_the_requests_that_may_be_under_way_the_limit_is_named(lonely_world: LiveWorld):
    context = lonely_world.context
    one_at_once = LiveSettings(limits=LiveLimits(in_flight=1))
    world = replace(lonely_world, context=replace(context, settings=replace(context.settings, live=one_at_once)))
    secret = make_live_secret(context.settings.catalog)
    with open_door(world) as address, app_over(world) as client:

        def under_way() -> int:
            headers = {"Authorization": f"Bearer {secret}"}
            return httpx.get(f"{address}/health", headers=headers, trust_env=False).json()["in_flight"]

        found: list[int] = []
        long = {"texts": ["alpha beta " * 10_000], "dictionaries": [SAE], "limit": 0}
        asking = threading.Thread(target=lambda: found.append(client.post("/api/v1/live", json=long).status_code))
        asking.start()
        wait_until(lambda: under_way() == 1, "the first is under way")
        response = client.post("/api/v1/live", json=ASKED)
        asking.join()
        assert found == [200]
        assert response.status_code == 429
        assert response.headers["Retry-After"] == "1"
        assert response.json()["error"]["message"] == "The worker has 1 live requests under way; the limit is 1."
        assert client.post("/api/v1/live", json=ASKED).status_code == 200


@pytest.mark.slow
def test_a_worker_killed_in_mid_request_is_told_soon_and_the_next_one_answers(lonely_world: LiveWorld):
    world = lonely_world
    settings = world.context.settings
    make_live_secret(settings.catalog)
    migrate_jobs_database(settings)
    # Long enough for the kill to come in its middle.
    long = {"texts": ["alpha beta " * 2900], "dictionaries": [SAE]}

    def doors() -> list[str | None]:
        with world.context.ledger.reading() as reader:
            return [worker.live_address for worker in reader.workers()]

    with app_over(world) as client:
        with worker_process(settings, FEATURESCOPE_LIVE_MAX_TOKENS="1000000") as process:
            wait_until(lambda: bool(doors()), "a worker says where its door is")
            (address,) = doors()
            wait_until(lambda: client.post("/api/v1/live", json=ASKED).status_code == 200, "it answers")
            found: list[tuple[httpx.Response, float]] = []

            def ask() -> None:
                response = client.post("/api/v1/live", json=long | {"texts": long["texts"] * 20})
                found.append((response, time.monotonic()))

            asking = threading.Thread(target=ask)
            asking.start()
            secret = make_live_secret(settings.catalog)
            health = lambda: httpx.get(f"{address}/health", headers={"Authorization": f"Bearer {secret}"}).json()  # noqa: E731
            wait_until(lambda: health()["in_flight"] == 1, "the request is under way")
            killed = time.monotonic()
            process.send_signal(signal.SIGKILL)
            asking.join(60)
        ((response, ended),) = found
        assert response.json()["error"]["code"] == "worker_lost", response.text
        assert response.status_code == 502
        assert ended - killed < SOON_SECONDS
        assert client.post("/api/v1/live", json=ASKED).json()["error"]["code"] == "no_worker"
        with worker_process(settings):
            wait_until(lambda: client.post("/api/v1/live", json=ASKED).status_code == 200, "the next worker answers")
