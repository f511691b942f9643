"""Jobs stopped, paused, resumed and moved in the queue from the command line, on both databases."""

import json
from pathlib import Path

import pytest

import featurescope
from tests.tiny import TinyWorld


@pytest.fixture
def job(
    database_url: str, tiny_world: TinyWorld, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """A job that waits, of priority 2."""
    for name, value in (("DEVICE", "cpu"), ("DTYPE", "float32"), ("DATABASE_URL", database_url)):
        monkeypatch.setenv(f"FEATURESCOPE_{name}", value)
    run(capsys, "migrate")
    run(capsys, "add-model", str(tiny_world.model), "--name", "tiny")
    asked = ("add-corpus", str(tiny_world.corpus), "--model", "tiny", "--detach", "--priority", "2")
    return run(capsys, *asked)["job"]


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict:
    assert featurescope.main([*words, "--json"]) == code
    said = capsys.readouterr()
    return json.loads(said.out.strip().splitlines()[-1]) if code == 0 else {"said": said.err}


def told(capsys: pytest.CaptureFixture[str]) -> str:
    assert featurescope.main(["status"]) == 0
    return capsys.readouterr().out


def test_a_job_is_paused_resumed_moved_and_stopped(job: str, capsys: pytest.CaptureFixture[str]):
    assert run(capsys, "pause", job) == {"job": job, "status": "paused", "priority": 2}
    assert f"{job}  paused, priority 2" in told(capsys)
    assert run(capsys, "resume", job)["status"] == "queued"
    assert "No worker is up, so nothing moves" in told(capsys)
    assert run(capsys, "priority", job, "-7")["priority"] == -7
    assert run(capsys, "cancel", job)["status"] == "cancelled"
    for verb in ("pause", "resume", "cancel"):
        assert "is over already: it is cancelled" in run(capsys, verb, job, code=1)["said"]


def test_a_job_that_is_none_and_a_priority_out_of_range_are_said_so(job: str, capsys: pytest.CaptureFixture[str]):
    assert "no job 'nothing'" in run(capsys, "pause", "nothing", code=1)["said"]
    assert "101 is beyond 100" in run(capsys, "priority", job, "101", code=2)["said"]
    assert "is no whole number" in run(capsys, "priority", job, "soon", code=2)["said"]


def test_a_store_that_nobody_shares_is_refused(
    job: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("FEATURESCOPE_STORE", "memory://here")
    said = run(capsys, "doctor", "--no-hashes", code=1)["said"]
    assert "which no other process sees" in said
