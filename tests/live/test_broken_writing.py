"""A worker that goes away while it writes: what came before stays, and the rest says what happened."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient

from app.main import create_app
from catalog.live_secret import make_live_secret
from catalog.records import WorkerRecord
from tests.live.conftest import BASE, SAE, LiveWorld, app_settings
from tests.tiny import ALWAYS
from worker.live.listening import listen

ROW = [5, -1.0, -2.0]
NEXT = {
    "event": "next",
    "likeliest": {"without": [ROW], "with": [ROW]},
    "gained": [ROW],
    "lost": [],
    "divergence": 0.1,
    "entropy": {"without": 1.0, "with": 1.0},
}
CHOSEN = {"id": 5, "log_probability": -1.0}
TOKEN = {"event": "token", "step": 0, "without": CHOSEN, "with": CHOSEN}
ERROR = {"event": "error", "error": {"code": "out_of_memory", "message": "No memory.", "hint": "Less."}}
BODY = {"text": "a", "edits": [{"dictionary": SAE, "feature": ALWAYS, "mode": "add", "value": 1}]}
FORM = {"text": "some text", "feature": f"{SAE}/{ALWAYS}", "mode": "add", "value": "1"}
PATIENCE_SECONDS = 60
BEGUN = [{"event": "prompt", "token_ids": [0, 5], "facts": {}}, NEXT, TOKEN]


@contextmanager
def breaking_door(world: LiveWorld, events: list[dict]) -> Iterator[None]:
    """A worker's door that answers one request with those events and hangs up in mid-answer."""
    with door(world, events, lambda connection, begun: connection.sendall(begun)):
        yield


def read_request(connection: socket.socket) -> None:
    """Takes in a whole request, whose head and body may come one after the other."""
    with connection.makefile("rb") as lines:
        length = 0
        while (line := lines.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        lines.read(length)


@contextmanager
def door(world: LiveWorld, events: list[dict], answer: Callable[[socket.socket, bytes], None]) -> Iterator[None]:
    """A socket of our own that is in the catalog as a worker's door, for one request."""
    lines = b"".join(json.dumps(event).encode() + b"\n" for event in events)
    chunk = f"{len(lines):x}\r\n".encode() + lines + b"\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                read_request(connection)
                answer(connection, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk)

        threading.Thread(target=serve, daemon=True).start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        record = WorkerRecord("breaking", "here", 1, "0", "cpu", "", alive=True, live_address=address)
        make_live_secret(world.context.settings.catalog)
        with world.context.ledger.writing() as writer:
            writer.heartbeat(record)
        yield
        with world.context.ledger.writing() as writer:
            writer.forget_worker("breaking")


@contextmanager
def waiting_door(world: LiveWorld) -> Iterator[threading.Event]:
    """A worker's door that begins an answer and then waits. The event: whoever asked has gone away."""
    left = threading.Event()

    def answer(connection: socket.socket, begun: bytes) -> None:
        connection.sendall(begun)
        connection.settimeout(PATIENCE_SECONDS)
        if connection.recv(1) == b"":
            left.set()

    with door(world, BEGUN, answer):
        yield left


def test_who_goes_away_from_the_app_goes_away_from_the_worker(lonely_world: LiveWorld):
    listener = listen("127.0.0.1", 0)
    app = create_app(app_settings(lonely_world))
    running = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", access_log=False))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    for path, body in (("/api/v1/live/steer", {"json": BODY}), ("/live/steer/events", {"data": FORM})):
        with waiting_door(lonely_world) as left:
            with httpx.stream("POST", address + path, timeout=PATIENCE_SECONDS, trust_env=False, **body) as answer:
                lines = answer.iter_lines()
                assert next(lines) == "event: prompt"
            assert left.wait(PATIENCE_SECONDS)
    running.should_exit = True
    thread.join(PATIENCE_SECONDS)


@pytest.fixture
def client(lonely_world: LiveWorld) -> Iterator[TestClient]:
    with TestClient(create_app(app_settings(lonely_world)), base_url=BASE) as client:
        yield client


@pytest.mark.parametrize(("events", "code"), [(BEGUN, "worker_lost"), ([*BEGUN, ERROR], "out_of_memory")])
def test_events_end_with_what_happened(client: TestClient, lonely_world: LiveWorld, events: list[dict], code: str):
    with breaking_door(lonely_world, events):
        answer = client.post("/api/v1/live/steer", json=BODY).text.strip().split("\n\n")
    assert [block.split("\n")[0] for block in answer] == [
        "event: prompt",
        "event: next",
        "event: token",
        "event: error",
    ]
    assert json.loads(answer[-1].split("\ndata: ")[1])["error"]["code"] == code


def test_the_page_says_that_the_worker_went_away_and_keeps_what_was_typed(client: TestClient, lonely_world: LiveWorld):
    with breaking_door(lonely_world, BEGUN):
        page = client.post("/live/steer", data=FORM)
    assert page.status_code == 502
    assert "The worker went away" in page.text
    assert "some text" in page.text
    with breaking_door(lonely_world, BEGUN):
        events = client.post("/live/steer/events", data=FORM).text
    assert "event: token" in events
    assert "The worker went away" in events.split("event: html")[1]
