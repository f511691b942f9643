"""Verbs run in this process on real databases: what they print, and how they fail."""

import json
import socket
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

import featurescope
from tests.tiny import TinyWorld, tiny_dictionary
from worker.cli.options import positive
from worker.cli.output import duration, human
from worker.sae import formats


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


def test_migrate_can_be_repeated_on_both_databases(
    home: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("FEATURESCOPE_DATABASE_URL", database_url)
    first = last_json(run(capsys, "migrate", "--json")[1])
    second = last_json(run(capsys, "migrate", "--json")[1])
    assert first["revision_before"] is None
    assert second["revision_before"] == first["revision"] == second["revision"]


def test_a_database_that_was_never_made_says_how(home: Path, capsys: pytest.CaptureFixture[str]):
    code, _, err = run(capsys, "status")
    assert code == 1
    assert "Run: make migrate." in err
    assert "Traceback" not in err


def test_a_database_of_a_newer_version_names_both_revisions(
    home: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("FEATURESCOPE_DATABASE_URL", database_url)
    run(capsys, "migrate")
    engine = create_engine(database_url)
    with engine.begin() as connection:
        needed = connection.scalar(text("SELECT version_num FROM alembic_version"))
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    for verb in (["status"], ["worker"], ["migrate"], ["harvest", "x", "--corpus", "python-stdlib"]):
        code, _, err = run(capsys, *verb)
        assert code == 1, verb
        assert "9999" in err
        assert str(needed) in err


def test_a_file_that_is_no_database_is_said_so(home: Path, capsys: pytest.CaptureFixture[str]):
    home.mkdir()
    (home / "catalog.sqlite").write_text("this is no database, but long enough to be taken for the start of one" * 20)
    code, _, err = run(capsys, "status")
    assert code == 1
    assert "is not an SQLite database" in err


def test_a_port_in_use_is_refused_before_anything_starts(home: Path, capsys: pytest.CaptureFixture[str]):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for verb in ("up", "demo"):
            code, _, err = run(capsys, verb, "--port", str(port))
            assert code == 1
            assert f"Port {port} on 127.0.0.1 cannot be used" in err
            assert "--port" in err
    assert not (home / "catalog.sqlite").exists()


def test_a_model_that_is_nowhere_leaves_nothing_in_the_catalog(home: Path, capsys: pytest.CaptureFixture[str]):
    run(capsys, "migrate")
    code, _, err = run(capsys, "add-model", "./no/such/folder")
    assert code == 1
    assert "no/such/folder" in err
    assert _count(home, "model") == 0


def test_a_truncated_weight_file_is_named(home: Path, tiny_world: TinyWorld, tmp_path: Path, capsys):
    run(capsys, "migrate")
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in tiny_world.model.iterdir():
        (broken / path.name).write_bytes(path.read_bytes()[: 5000 if path.suffix == ".safetensors" else None])
    code, _, err = run(capsys, "add-model", str(broken))
    assert code == 1
    assert "model.safetensors" in err
    assert "Traceback" not in err
    assert _count(home, "model") == 0


def test_a_model_and_a_dictionary_are_added_and_shown(
    home: Path, tiny_world: TinyWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run(capsys, "migrate")
    added = last_json(run(capsys, "add-model", str(tiny_world.model), "--name", "Tiny", "--json")[1])
    assert added["slug"] == "tiny"
    assert added["hooks"]["blocks.1.hook_resid_pre"] == 16
    code, out, _ = run(capsys, "add-dictionary", str(tiny_world.sae), "--model", "tiny", "--name", "my sae")
    assert code == 0
    assert "my-sae: relu, 24 features" in out
    shown = last_json(run(capsys, "status", "--json")[1])
    assert [record["slug"] for record in shown["dictionaries"]] == ["my-sae"]
    assert run(capsys, "status", "--require-worker")[0] == 1

    formats.save(tiny_dictionary(d_in=12), tmp_path / "wide")
    formats.save(tiny_dictionary(hook_name="blocks.9.hook_resid_pre"), tmp_path / "lost")
    for source, told in (("wide", "holds 16"), ("lost", "blocks.9.hook_resid_pre"), ("nowhere", "nowhere")):
        code, _, err = run(capsys, "add-dictionary", str(tmp_path / source), "--model", "tiny")
        assert code == 1
        assert told in err
    code, _, err = run(capsys, "add-dictionary", str(tiny_world.sae), "--model", "tinny")
    assert code == 1
    assert "Did you mean 'tiny'" in err
    assert _count(home, "dictionary") == 1

    examined = last_json(run(capsys, "doctor", "--json", "--no-self-test")[1])
    found = {finding["subject"]: finding for finding in examined["findings"]}
    assert found["model tiny"]["ok"]
    assert found["dictionary my-sae"]["ok"]
    assert found["database"]["ok"]


@pytest.mark.parametrize(("text", "number"), [("5", 5), ("10k", 10_000), ("2.5M", 2_500_000), ("1_000", 1000)])
def test_numbers_are_read_as_people_write_them(text: str, number: int):
    assert positive(text) == number


def test_numbers_and_times_are_written_as_people_read_them():
    assert [human(n) for n in (0.5, 12, 1234, 2_500_000)] == ["0.5", "12", "1.23k", "2.5M"]
    assert [duration(s) for s in (4.4, 75, 7300)] == ["4 s", "1 min 15 s", "2 h 1 min"]


def _count(home: Path, table: str) -> int:
    with sqlite3.connect(home / "catalog.sqlite") as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_adding_to_a_harvest_and_beginning_anew_are_kept_apart(home: Path, capsys: pytest.CaptureFixture[str]):
    for words, told in (
        (["--corpus", "x", "--add-tokens", "1k"], "--corpus begins a harvest anew"),
        (["--add-corpus", "x", "--max-tokens", "5"], "--max-tokens begins a harvest anew"),
        ([], "--corpus is missing"),
        (["--harvest", "abc"], "say what with --add-tokens or --add-corpus"),
    ):
        code, _, err = run(capsys, "harvest", "my-sae", *words)
        assert code == 2
        assert told in err


def test_forgetting_names_harvests_or_says_all_of_them(home: Path, capsys: pytest.CaptureFixture[str]):
    run(capsys, "migrate")
    assert last_json(run(capsys, "forget", "--all", "--json")[1]) == {"freed_bytes": 0, "harvests": []}
    code, _, err = run(capsys, "forget", "nothing-like-it")
    assert code == 1
    assert "nothing-like-it" in err
    assert run(capsys, "forget")[0] == 2
