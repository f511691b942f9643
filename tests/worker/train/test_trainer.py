"""A whole run: resume to the bit, several dictionaries at once, live metrics, and what goes wrong."""

from dataclasses import replace

import pytest
import torch

from tests.worker.train.conftest import HOOK, OTHER_HOOK, KnownDirections
from worker.sae.conventions import Conventions
from worker.train.checkpoints import CHECKPOINT_FILE, Checkpoint, load_checkpoint, save_checkpoint
from worker.train.config import DictionaryConfig, TrainConfig
from worker.train.errors import TrainingError
from worker.train.trainer import TrainingRun

CONFIG = TrainConfig(
    dictionaries=(
        DictionaryConfig(HOOK, d_sae=24, k=4, dead_after_tokens=1000),
        DictionaryConfig(OTHER_HOOK, d_sae=24, kind="relu", l1_coefficient=0.5),
        DictionaryConfig(HOOK, d_sae=16, k=2, k_start=8),
    ),
    n_tokens=64 * 20,
    batch_size=64,
    buffer_tokens=512,
    report_every_steps=5,
    checkpoint_every_steps=1000,
)


def a_run(folder, config=CONFIG, source=None):
    conventions = Conventions(prepend_bos=True, n_ctx=32)
    return TrainingRun(config, source or KnownDirections(), folder, model_name="tiny", conventions=conventions)


def stop_after(run, steps):
    return run.run(should_stop=lambda: run.step == steps)


@pytest.mark.parametrize("stops", [[1], [7], [3, 4, 13]])
def test_a_run_that_was_stopped_ends_with_the_same_bits(stops, tmp_path):
    undisturbed = a_run(tmp_path / "undisturbed")
    assert undisturbed.run()
    for steps in stops:
        assert stop_after(a_run(tmp_path / "stopped"), steps) is False
    resumed = a_run(tmp_path / "stopped")
    assert resumed.run()
    assert [d.hash for d in resumed.dictionaries()] == [d.hash for d in undisturbed.dictionaries()]


def test_a_run_killed_between_checkpoints_goes_on_from_the_last(tmp_path):
    config = replace(CONFIG, checkpoint_every_steps=4)
    undisturbed = a_run(tmp_path / "undisturbed", config)
    undisturbed.run()

    def die(progress):
        if progress.step == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        a_run(tmp_path / "killed", config).run(die)
    (tmp_path / "killed" / (CHECKPOINT_FILE + ".unfinished")).write_bytes(b"half")
    resumed = a_run(tmp_path / "killed", config)
    steps = []
    assert resumed.run(lambda progress: steps.append(progress.step))
    assert steps == [10, 15, 20]
    assert [d.hash for d in resumed.dictionaries()] == [d.hash for d in undisturbed.dictionaries()]


def test_a_finished_run_stays_finished(tmp_path):
    first = a_run(tmp_path)
    first.run()
    again = a_run(tmp_path)
    assert again.run()
    assert [d.hash for d in again.dictionaries()] == [d.hash for d in first.dictionaries()]


def test_each_dictionary_comes_out_as_configured(tmp_path):
    run = a_run(tmp_path)
    run.run()
    top, relu, small = run.dictionaries()
    assert [(d.kind, d.hook_name, d.d_sae, d.k) for d in (top, relu, small)] == [
        ("topk", HOOK, 24, 4),
        ("relu", OTHER_HOOK, 24, None),
        ("topk", HOOK, 16, 2),
    ]
    for dictionary in (top, relu, small):
        assert torch.allclose(dictionary.W_dec.norm(dim=-1), torch.ones(dictionary.d_sae), atol=1e-5)
        assert dictionary.metadata["steps"] == 20
    trained = TrainConfig.from_json(top.metadata["trained"])
    assert trained == replace(CONFIG, dictionaries=CONFIG.dictionaries[:1])


def test_progress_tells_how_far_how_fast_and_how_good(tmp_path):
    seen = []
    a_run(tmp_path).run(seen.append)
    assert [(p.step, p.tokens, p.n_tokens) for p in seen] == [(s, s * 64, 1280) for s in (5, 10, 15, 20)]
    assert seen[-1].seconds_left == 0
    assert all(p.tokens_per_second > 0 for p in seen)
    assert [d.hook_name for d in seen[0].dictionaries] == [HOOK, OTHER_HOOK, HOOK]
    assert seen[-1].dictionaries[0].fvu < seen[0].dictionaries[0].fvu
    assert 0 < seen[-1].dictionaries[0].l0 <= 4


def relu_quality(folder, l1_coefficient):
    """(L0, FVU) on tokens it has not seen."""
    config = DictionaryConfig(HOOK, kind="relu", d_sae=64, lr=3e-3, l1_coefficient=l1_coefficient)
    run = a_run(folder, replace(CONFIG, dictionaries=(config,), n_tokens=64 * 400))
    run.run()
    (dictionary,) = run.dictionaries()
    acts = KnownDirections().block(10_000)
    feature_acts = dictionary.encode(acts)
    error = dictionary.decode(feature_acts) - acts
    l0 = float((feature_acts > 0).float().sum(-1).mean())
    return l0, float((error**2).sum() / ((acts - acts.mean(0)) ** 2).sum())


def test_a_stronger_l1_term_makes_a_relu_dictionary_sparser_and_less_exact(tmp_path):
    weak, strong = relu_quality(tmp_path / "weak", 0.2), relu_quality(tmp_path / "strong", 2.0)
    assert strong[0] < weak[0] / 1.5
    assert weak[1] < strong[1] < 0.5


def test_activations_that_end_early_are_an_error(tmp_path):
    with pytest.raises(TrainingError, match="ended after 14 of 20 steps"):
        a_run(tmp_path, source=KnownDirections(last=3)).run()


def test_a_stream_without_tokens_is_an_error(tmp_path):
    with pytest.raises(TrainingError, match="no text tokens"):
        a_run(tmp_path, source=KnownDirections(last=0)).run()


def test_a_folder_keeps_to_one_configuration(tmp_path):
    a_run(tmp_path)
    with pytest.raises(TrainingError, match="other options"):
        a_run(tmp_path, replace(CONFIG, seed=1))


def test_a_damaged_checkpoint_says_what_to_do(tmp_path):
    stop_after(a_run(tmp_path), 2)
    path = tmp_path / CHECKPOINT_FILE
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(TrainingError, match=r"damaged.*Delete it"):
        a_run(tmp_path).run()


def test_nothing_can_be_taken_out_before_the_run(tmp_path):
    with pytest.raises(TrainingError, match="run the training first"):
        a_run(tmp_path).dictionaries()


def test_checkpoints_hold_tensors_and_values(tmp_path):
    assert load_checkpoint(tmp_path) is None
    save_checkpoint(tmp_path, Checkpoint({"a/b": torch.arange(3)}, {"step": 7}))
    loaded = load_checkpoint(tmp_path)
    assert loaded.tensors["a/b"].tolist() == [0, 1, 2]
    assert loaded.values == {"step": 7}


def test_a_checkpoint_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TrainingError, match="could not be written"):
        save_checkpoint(tmp_path / "file", Checkpoint({}, {}))
