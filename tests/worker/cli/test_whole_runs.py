"""Whole commands in processes of their own: a harvest from the shell, and app and worker up and down together."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import featurescope
from tests.tiny import TinyWorld

pytestmark = pytest.mark.slow
ROOT = Path(featurescope.__file__).parent
PATIENCE_SECONDS = 240


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    own = {"FEATURESCOPE_HOME": str(tmp_path / "home"), "FEATURESCOPE_DEVICE": "cpu", "FEATURESCOPE_DTYPE": "float32"}
    return {**os.environ, **own, "FEATURESCOPE_HEARTBEAT_SECONDS": "0.5"}


def command(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "featurescope", *words],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_SECONDS,
    )


def test_from_an_empty_folder_to_a_harvest_in_four_commands(
    environment: dict[str, str], tiny_world: TinyWorld, tmp_path: Path
):
    for words in (
        ["migrate"],
        ["add-model", str(tiny_world.model), "--name", "tiny"],
        ["add-dictionary", str(tiny_world.sae), "--model", "tiny", "--name", "sae"],
    ):
        done = command(environment, *words)
        assert done.returncode == 0, done.stderr
    harvested = command(environment, "harvest", "sae", "--corpus", str(tiny_world.corpus), "--json")
    assert harvested.returncode == 0, harvested.stderr
    assert json.loads(harvested.stdout.splitlines()[-1])["status"] == "complete"
    assert "tokens" in harvested.stderr
    status = json.loads(command(environment, "status", "--json").stdout.splitlines()[-1])
    assert status["harvests"][0]["status"] == "complete"
    assert status["workers"] == []

    (tmp_path / "empty").mkdir()
    failed = command(environment, "harvest", "sae", "--corpus", str(tmp_path / "empty"))
    assert failed.returncode == 1
    assert "featurescope harvest: " in failed.stderr
    assert "Traceback" not in failed.stderr
    status = json.loads(command(environment, "status", "--json").stdout.splitlines()[-1])
    assert len(status["harvests"]) == 1


def test_app_and_worker_come_up_together_and_stop_together(environment: dict[str, str]):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    up = subprocess.Popen(
        [sys.executable, "-m", "featurescope", "up", "--port", str(port)],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _wait_for(lambda: _answers(f"http://127.0.0.1:{port}/healthz"), up)
        _wait_for(lambda: command(environment, "status", "--require-worker").returncode == 0, up)
        up.send_signal(signal.SIGTERM)
        _, said = up.communicate(timeout=60)
    finally:
        up.kill()
    assert "Traceback" not in said
    assert not _answers(f"http://127.0.0.1:{port}/healthz")
    assert command(environment, "status", "--require-worker").returncode == 1


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _wait_for(holds, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)
