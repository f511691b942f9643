"""What the doctor sees: a machine that is well, and each thing that is not, with the way out."""

import json
from pathlib import Path

import pytest
from sqlalchemy import text

import featurescope
from catalog.engine import make_engine, session_scope
from catalog.revision import migrate
from catalog.settings import CatalogSettings
from worker.jobs.context import make_context
from worker.jobs.errors import JobError
from worker.jobs.ledger import Ledger
from worker.jobs.self_test import compare, harvest_bundled
from worker.jobs.settings import WorkerSettings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEATURESCOPE_DEVICE", "cpu")
    monkeypatch.setenv("FEATURESCOPE_DTYPE", "float32")
    return tmp_path / "home"


def examine(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, dict]]:
    code = featurescope.main(["doctor", "--json", *words])
    told = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert told["healthy"] == (code == 0)
    return code, {finding["subject"]: finding for finding in told["findings"]}


@pytest.mark.slow
def test_a_machine_that_is_well_harvests_the_right_numbers(
    home: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("FEATURESCOPE_DATABASE_URL", database_url)
    featurescope.main(["migrate"])
    capsys.readouterr()
    code, found = examine(capsys)
    assert code == 0, found
    assert {"database", "jobs", "clock", "device", "disk", "self-test", "workers"} <= found.keys()
    assert "are those of the whole matrix" in found["self-test"]["text"]
    assert not (home / "harvests").exists()


@pytest.mark.slow
@pytest.mark.parametrize("change", ["tokens_fired = tokens_fired + 40", "peak = peak * 1.05"])
def test_the_self_test_sees_a_number_that_is_wrong(tmp_path: Path, change: str):
    catalog = CatalogSettings(tmp_path, f"sqlite:///{tmp_path / 'catalog.sqlite'}")
    engine = make_engine(catalog.database_url)
    migrate(engine)
    context = make_context(WorkerSettings(catalog=catalog, device="cpu", dtype="float32"), Ledger(engine))
    inputs, shards = harvest_bundled(context)
    assert shards > 1
    assert "are those of the whole matrix" in compare(context, inputs, shards)
    with session_scope(engine, write=True) as session:
        session.execute(
            text(f'UPDATE feature SET {change} WHERE "index" = (SELECT min("index") FROM feature WHERE peak > 1)')
        )
    with pytest.raises(JobError, match="wrong numbers"):
        compare(context, inputs, shards)
    engine.dispose()


def test_a_catalog_or_a_queue_without_tables_is_named_with_the_way_out(
    home: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("FEATURESCOPE_DATABASE_URL", database_url)
    code, found = examine(capsys, "--no-self-test")
    assert code == 1
    assert "make migrate" in found["database"]["text"]
    engine = make_engine(database_url)
    migrate(engine)
    engine.dispose()
    code, found = examine(capsys, "--no-self-test")
    assert code == 1
    assert found["database"]["ok"]
    assert not found["jobs"]["ok"]
    assert "make migrate" in found["jobs"]["text"]


def test_a_store_is_written_to_and_left_as_it_was(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    store = tmp_path / "store"
    monkeypatch.setenv("FEATURESCOPE_STORE", str(store))
    featurescope.main(["migrate"])
    capsys.readouterr()
    code, found = examine(capsys, "--no-self-test")
    assert code == 0
    assert str(store) in found["store"]["text"]
    assert list(store.iterdir()) == []
    store.rmdir()
    store.write_text("a file stands where the folder should be")
    code, found = examine(capsys, "--no-self-test")
    assert code == 1
    assert not found["store"]["ok"]
