"""Options: saved with the run, strict on load; schedules by arithmetic."""

import pytest

from worker.train.config import DictionaryConfig, TrainConfig
from worker.train.errors import TrainingError
from worker.train.schedule import k_at, learning_rate_factor, ramp

CONFIG = TrainConfig((DictionaryConfig("blocks.0.hook_resid_post", k_start=64), DictionaryConfig("b", kind="relu")))


def test_a_configuration_survives_its_file(tmp_path):
    CONFIG.save(tmp_path / "config.json")
    assert TrainConfig.read(tmp_path / "config.json") == CONFIG


def test_unknown_options_are_refused_by_name():
    with pytest.raises(TrainingError, match="no option learning_rate; options are"):
        TrainConfig.from_json({**CONFIG.to_json(), "learning_rate": 1})
    with pytest.raises(TrainingError, match="no option kk"):
        TrainConfig.from_json({"dictionaries": [{"hook_name": "a", "kk": 1}]})


@pytest.mark.parametrize("values", [{}, {"dictionaries": []}, {"dictionaries": 3}, {"dictionaries": [{}]}])
def test_options_that_make_no_run_are_refused(values):
    with pytest.raises(TrainingError):
        TrainConfig.from_json(values)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("k", 0),
        ("k", 9000),
        ("k_start", 8),
        ("lr", 0.0),
        ("lr_decay", 1.5),
        ("kind", "gated"),
        ("l1_coefficient", -1.0),
    ],
)
def test_values_out_of_range_are_named(name, value):
    with pytest.raises(TrainingError, match=f"{name} is "):
        TrainConfig.from_json({"dictionaries": [{"hook_name": "a", name: value}]})


def test_the_buffer_holds_at_least_two_batches():
    with pytest.raises(TrainingError, match="buffer_tokens is 100"):
        TrainConfig((DictionaryConfig("a"),), batch_size=64, buffer_tokens=100)


def test_a_file_that_is_no_configuration(tmp_path):
    path = tmp_path / "config.json"
    for text in ("{", "[]"):
        path.write_text(text)
        with pytest.raises(TrainingError):
            TrainConfig.read(path)
    with pytest.raises(TrainingError, match="cannot be read"):
        TrainConfig.read(tmp_path / "nothing.json")


def test_steps_are_whole_batches():
    assert TrainConfig((DictionaryConfig("a"),), n_tokens=4097, batch_size=4096).n_steps == 2


def test_the_learning_rate_rises_stays_and_falls():
    factors = [learning_rate_factor(step, 10, warmup=0.2, decay=0.5) for step in range(10)]
    assert factors == pytest.approx([0.5, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2])
    assert [learning_rate_factor(step, 3, warmup=0.0, decay=0.0) for step in range(3)] == [1, 1, 1]


def test_ramps_and_k_by_arithmetic():
    assert [ramp(done, 0.5) for done in (0.0, 0.25, 0.5, 1.0)] == [0, 0.5, 1, 1]
    assert [k_at(done, k=10, k_start=30, warmdown=0.5) for done in (0.0, 0.25, 0.5, 1.0)] == [30, 20, 10, 10]
    assert k_at(0.0, k=10, k_start=None, warmdown=0.5) == 10
