"""Each request has a name: in the log, in the answer's header, on the error page. A real server writes the lines."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from bs4 import BeautifulSoup
from fastapi.testclient import TestClient

import featurescope
from app.main import create_app
from tests.app.conftest import BASE, settings_for
from tests.app.reading import one, text_of

ROOT = Path(featurescope.__file__).parent


@contextmanager
def server(url: str, home: Path, *words: str, **environment: str) -> Iterator[tuple[str, list[str]]]:
    """A server in a process of its own: its address, and a list that holds the lines of its log at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "featurescope", "serve", "--port", "0", "--json", *words],
        env={**os.environ, "FEATURESCOPE_HOME": str(home), "FEATURESCOPE_DATABASE_URL": url, **environment},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: list[str] = []
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"].rstrip("/"), lines
        process.send_signal(signal.SIGTERM)
        lines += process.communicate(timeout=60)[1].splitlines()
    finally:
        process.kill()
        process.wait()


def test_every_request_is_one_json_line_with_its_id_and_without_its_query(stored_url: str, tmp_path: Path):
    with server(stored_url, tmp_path, FEATURESCOPE_LOG="json") as (address, lines):
        with httpx.Client(base_url=address) as client:
            named = client.get("/d/tiny-mid/0?token=hush", headers={"X-Request-ID": "trace-1.a_B"})
            client.get("/nothing%0Ahere")
            refused = client.get("/", headers={"host": "evil.example", "X-Request-ID": "bad id\t!"})
    assert named.headers["x-request-id"] == "trace-1.a_B"
    assert re.fullmatch("[0-9a-f]{16}", refused.headers["x-request-id"])
    told = [json.loads(line) for line in lines]
    requests = sorted((line for line in told if line["logger"] == "app.requests"), key=lambda line: line["status"])
    assert [(line["method"], line["path"], line["status"]) for line in requests] == [
        ("GET", "/d/tiny-mid/0", 200),
        ("GET", "/", 400),
        ("GET", "/nothing%0Ahere", 404),
    ]
    assert [line["request"] for line in requests][:2] == ["trace-1.a_B", refused.headers["x-request-id"]]
    assert all(line["ms"] > 0 and line["bytes"] > 0 and line["process"] == "serve" for line in requests)
    assert "hush" not in "".join(lines)


def test_lines_for_people_are_one_a_request_and_can_be_switched_off(stored_url: str, tmp_path: Path):
    with server(stored_url, tmp_path, "--log-format", "plain") as (address, lines):
        httpx.get(f"{address}/healthz", headers={"X-Request-ID": "abc"})
    assert len(lines) == 1
    assert re.search(r"INFO app\.requests: GET /healthz 200 in [\d.]+ ms request=abc$", lines[0])
    with server(stored_url, tmp_path, "--no-access-log") as (address, lines):
        httpx.get(f"{address}/healthz")
    assert lines == []


@pytest.mark.parametrize("given", ["", "a" * 65, "a b", 'x"><script>', "é".encode().decode("latin-1")])
def test_an_id_that_is_not_sane_is_replaced(client: TestClient, given: str):
    answered = client.get("/healthz", headers={"X-Request-ID": given.encode("latin-1")}).headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{16}", answered)


def test_an_error_page_shows_the_id_of_its_request(client: TestClient):
    page = client.get("/d/none-such", headers={"X-Request-ID": "mine"})
    assert page.status_code == 404
    assert text_of(one(BeautifulSoup(page.text, "html.parser"), "#error")).endswith("Request mine")


def test_what_nobody_foresaw_is_marked_counted_and_logged_like_any_answer(
    stored_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    app = create_app(settings_for(stored_url, tmp_path))

    @app.get("/breaks")
    def breaks() -> None:
        raise RuntimeError("secret detail")

    client = TestClient(app, base_url=BASE)
    answer = client.get("/breaks", headers={"X-Request-ID": "mine"})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "under request mine" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert 'featurescope_requests_total{route="/breaks",status="500"} 1.0' in client.get("/metrics").text
    assert [record.exc_info[0] for record in caplog.records if record.name == "app.errors"] == [RuntimeError]
