"""What app and worker share of live inference: the secret, the answer's bytes, the worker's address."""

import stat
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from catalog.engine import session_scope
from catalog.errors import CatalogError, CorruptRow
from catalog.live_answers import LiveAnswer, LiveFirings, read_live_answer, write_live_answer
from catalog.live_secret import FILE, make_live_secret, read_live_secret
from catalog.reader import CatalogReader
from catalog.records import WorkerRecord
from catalog.settings import CatalogSettings
from catalog.writer import CatalogWriter


def firings(text: int, n: int) -> LiveFirings:
    numbers = np.arange(n)
    margins = numbers.astype(np.float32) if text else np.empty(0, np.float32)
    return LiveFirings(
        text=text,
        dictionary=f"hash-{text}",
        token_ids=numbers[::-1].astype(np.int32),
        context_starts=np.zeros(min(n, 1), np.int32),
        positions=numbers.astype(np.int32),
        features=numbers.astype(np.int32) * 7,
        activations=(numbers / 3).astype(np.float32),
        pre_acts=margins,
        bars=margins - 1,
    )


def test_a_live_answer_comes_back_from_its_bytes_as_it_was():
    answer = LiveAnswer((firings(0, 5), firings(1, 0), firings(2, 3)), {"device": "cpu", "seconds": 0.25})
    found = read_live_answer(write_live_answer(answer))
    assert found.facts == answer.facts
    for mine, theirs in zip(answer.results, found.results, strict=True):
        for field in fields(LiveFirings):
            before, after = getattr(mine, field.name), getattr(theirs, field.name)
            assert np.array_equal(before, after)
            assert getattr(after, "dtype", None) == getattr(before, "dtype", None)


@pytest.mark.parametrize("cut", [0, 3, -1])
def test_an_answer_cut_short_is_named(cut: int):
    data = write_live_answer(LiveAnswer((firings(0, 5),), {}))
    with pytest.raises(CorruptRow, match="live answer"):
        read_live_answer(data[:cut])


def test_a_secret_is_made_once_for_this_user_alone(tmp_path: Path):
    settings = CatalogSettings(tmp_path / "home", "sqlite://")
    assert read_live_secret(settings) is None
    made = make_live_secret(settings)
    assert len(made) > 32
    assert made == make_live_secret(settings) == read_live_secret(settings)
    assert stat.S_IMODE((settings.home / FILE).stat().st_mode) == 0o600
    assert [path.name for path in settings.home.iterdir()] == [FILE]


def test_workers_that_start_at_once_agree_on_a_secret(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from catalog.settings import CatalogSettings; from catalog.live_secret "
        "import make_live_secret; print(make_live_secret(CatalogSettings(Path(sys.argv[1]), '')))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    root = Path(__file__).parents[2]
    running = [subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert len({process.communicate()[0] for process in running}) == 1


def test_a_secret_of_the_settings_is_not_written_down(tmp_path: Path):
    settings = CatalogSettings.from_environment(
        {"FEATURESCOPE_HOME": str(tmp_path), "FEATURESCOPE_LIVE_SECRET": "from outside"}
    )
    assert make_live_secret(settings) == read_live_secret(settings) == "from outside"
    assert not (tmp_path / FILE).exists()
    assert "from outside" not in repr(settings)


def test_an_empty_secret_is_refused(tmp_path: Path):
    (tmp_path / FILE).write_text("\n")
    with pytest.raises(CatalogError, match="is empty"):
        read_live_secret(CatalogSettings(tmp_path, ""))


def test_a_worker_says_where_its_live_door_is(engine: Engine):
    door = WorkerRecord("a", "host", 1, "0.1", "cpu", "", alive=True, live_address="http://127.0.0.1:9")
    with session_scope(engine, write=True) as session:
        CatalogWriter(session).heartbeat(door)
        CatalogWriter(session).heartbeat(WorkerRecord("b", "host", 2, "0.1", "cpu", "", alive=True))
    with session_scope(engine) as session:
        found = {worker.executor_id: worker.live_address for worker in CatalogReader(session).workers()}
    assert found == {"a": "http://127.0.0.1:9", "b": None}
