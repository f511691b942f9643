"""The verbs backup and restore: what they say, what they refuse, and that both databases take the same file."""

import json
from pathlib import Path

import pytest

import featurescope
from catalog.engine import make_engine, session_scope
from catalog.records import WorkerRecord
from catalog.writer import CatalogWriter
from tests.tiny import TinyWorld
from worker.jobs.settings import worker_settings
from worker.jobs.worker import sole_worker


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEATURESCOPE_DEVICE", "cpu")
    monkeypatch.setenv("FEATURESCOPE_DTYPE", "float32")
    return tmp_path / "home"


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = featurescope.main(words)
    said = capsys.readouterr()
    return code, said.out, said.err


def last_json(out: str) -> dict:
    return json.loads(out.strip().splitlines()[-1])


def test_a_catalog_moves_to_the_other_database_in_two_commands(
    home: Path,
    postgres_url: str,
    tiny_world: TinyWorld,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    file = str(home.parent / "catalog.backup")
    run(capsys, "migrate")
    run(capsys, "add-model", str(tiny_world.model), "--name", "Tiny")
    digest = last_json(run(capsys, "digest", "--json")[1])["sha256"]
    (home / "corpora").mkdir()
    (home / "corpora" / "x").write_bytes(b"12345")
    saved = last_json(run(capsys, "backup", file, "--json")[1])
    assert saved["rows"]["model"] == 1
    left_out = {each["what"]: each for each in saved["left_out"]}
    assert left_out["the folder corpora"]["bytes"] == 5
    assert left_out["the weights of the model tiny"]["place"] == str(tiny_world.model)

    monkeypatch.setenv("FEATURESCOPE_DATABASE_URL", postgres_url)
    code, out, _ = run(capsys, "restore", file)
    assert code == 0
    assert "is sound" in out
    assert last_json(run(capsys, "digest", "--json")[1])["sha256"] == digest
    assert run(capsys, "status")[0] == 0


def test_a_restore_asks_before_it_throws_anything_away(
    home: Path, tiny_world: TinyWorld, capsys: pytest.CaptureFixture[str]
):
    file = str(home.parent / "catalog.backup")
    run(capsys, "migrate")
    assert run(capsys, "backup", file)[0] == 0
    code, _, err = run(capsys, "backup", file)
    assert code == 1
    assert "--force" in err
    run(capsys, "add-model", str(tiny_world.model), "--name", "Tiny")
    code, _, err = run(capsys, "restore", file)
    assert code == 1
    assert "'model' has rows" in err
    assert "--replace" in err
    assert last_json(run(capsys, "restore", file, "--check", "--json")[1])["sound"]
    assert run(capsys, "restore", file, "--replace")[0] == 0
    assert last_json(run(capsys, "status", "--json")[1])["dictionaries"] == []


def test_nothing_is_restored_under_a_worker(
    home: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("FEATURESCOPE_DATABASE_URL", database_url)
    file = str(home.parent / "catalog.backup")
    run(capsys, "migrate")
    run(capsys, "backup", file)
    engine = make_engine(database_url)
    with session_scope(engine, write=True) as session:
        CatalogWriter(session).heartbeat(WorkerRecord("w", "elsewhere", 1, "0", "cpu", "", alive=True))
    engine.dispose()
    settings = worker_settings()
    if settings.on_sqlite:
        with sole_worker(settings):
            code, _, err = run(capsys, "restore", file)
        assert run(capsys, "restore", file)[0] == 0
    else:
        code, _, err = run(capsys, "restore", file)
    assert code == 1
    assert "worker" in err
    assert "top" in err


def test_what_is_no_backup_is_one_sentence(home: Path, capsys: pytest.CaptureFixture[str]):
    home.mkdir()
    (home / "text").write_text("hello")
    for name, told in (("text", "is no backup of a catalog"), ("none", "There is no backup")):
        code, _, err = run(capsys, "restore", str(home / name))
        assert code == 1
        assert told in err
        assert "Traceback" not in err
    code, _, err = run(capsys, "backup", str(home / "file"))
    assert code == 1
    assert "nothing to back up" in err
