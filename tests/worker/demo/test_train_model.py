"""The pieces that train and judge the demo model, on a model of a few thousand weights."""

import math

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from worker.demo.evaluate import compared, held_out_contexts, model_losses
from worker.demo.kneser_ney import train_kneser_ney
from worker.demo.model_card import TEMPLATE, card
from worker.demo.packages import PinnedPackage
from worker.demo.shards import Shards
from worker.demo.tokenizer import BOS, BOS_ID, TokenStream, save_tokenizer, trained_tokenizer, write_stream
from worker.demo.train_model import Recipe, loss_of, new_optimizers, rate_factor

CODE = "def add(left, right):\n    if left is None:\n        return 12\n    return left + right\n"


@pytest.fixture
def model():
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=11,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        hidden_act="relu",
        max_position_embeddings=32,
        use_parallel_residual=False,
    )
    return GPTNeoXForCausalLM(config).eval()


def contexts_of(*lengths):
    generator = np.random.default_rng(0)
    return [np.concatenate(([0], generator.integers(1, 11, length))) for length in lengths]


def test_shards_give_the_gradients_of_the_whole_batch(model):
    ids = torch.randint(0, 11, (7, 9))
    loss_of(model, ids).backward()
    expected = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad(set_to_none=True)
    loss = Shards(loss_of, threads=2, rows=2).backward(model, ids)
    assert loss == pytest.approx(loss_of(model, ids).item(), rel=1e-5)
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)


def test_every_parameter_has_one_optimizer_and_the_layers_matrices_have_muon(model):
    adam, *muons = new_optimizers(model, Recipe(threads=2))
    by_muon = [p for muon in muons for group in muon.param_groups for p in group["params"]]
    by_adam = [p for group in adam.param_groups for p in group["params"]]
    assert len(by_muon) == 2 * 4
    assert {id(p) for p in by_muon + by_adam} == {id(p) for p in model.parameters()}
    assert len(by_muon) + len(by_adam) == len(list(model.parameters()))


def test_steps_lower_the_loss(model):
    ids = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 7, 8]] * 4)
    recipe = Recipe(threads=2, rows=4)
    shards = Shards(loss_of, threads=2, rows=2)
    optimizers = new_optimizers(model, recipe)
    losses = []
    for _ in range(40):
        losses.append(shards.backward(model, ids))
        shards.step(optimizers)
    assert losses[-1] < losses[0] - 0.5


def test_the_rates_rise_stay_and_fall_to_almost_nothing():
    recipe = Recipe(warmup=0.1, decay=0.4)
    assert rate_factor(0.0, recipe) < 0.02
    assert rate_factor(0.1, recipe) == rate_factor(0.6, recipe) == 1.0
    assert rate_factor(0.8, recipe) == pytest.approx(0.5)
    assert rate_factor(1.0, recipe) == 0.02


def test_losses_of_contexts_of_many_lengths_are_those_of_each_alone(model):
    contexts = contexts_of(9, 3, 1, 9, 5)
    expected = 0.0
    for context in contexts:
        ids = torch.from_numpy(context)[None]
        expected += loss_of(model, ids).item() * (len(context) - 1)
    assert model_losses(model, contexts) == pytest.approx(expected, rel=1e-5)


def test_both_models_are_compared_on_the_same_tokens(model):
    contexts = contexts_of(9, 4)
    grams = train_kneser_ney(np.array([BOS_ID]), order=5, vocabulary=11)
    comparison = compared(model, grams, contexts, characters=26)
    assert comparison.tokens == 13
    assert comparison.kneser_ney == round(math.log(10), 4)
    assert comparison.bits == pytest.approx(comparison.model * 13 / math.log(2) / 26, abs=1e-4)


def test_held_out_contexts_begin_anew_with_each_document():
    stream = TokenStream(np.array([0, 5, 6, 0, 7], dtype=np.uint16), np.array([0, 3]))
    assert [context.tolist() for context in held_out_contexts(stream)] == [[0, 5, 6], [0, 7]]


def test_the_tokenizer_splits_digits_and_keeps_indentation_together(tmp_path):
    save_tokenizer(trained_tokenizer(iter([CODE] * 5)), tmp_path)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    ids = tokenizer.encode(CODE).ids
    pieces = [tokenizer.decode([index], skip_special_tokens=False) for index in ids]
    assert pieces[0] == BOS
    assert "\n        " in pieces
    assert pieces[pieces.index("1") + 1] == "2"
    assert tokenizer.decode(ids) == CODE


def test_text_of_any_script_survives_the_tokenizer():
    tokenizer = trained_tokenizer(iter([CODE]))
    for text in ("naïve 東京 \U0001f600", "\t\r\n  x", "  ", "a\u0301 \x00"):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_a_stream_holds_the_documents_with_their_starts(tmp_path):
    tokenizer = trained_tokenizer(iter([CODE]))
    count = write_stream(tokenizer, [CODE, "def", CODE], "train", tmp_path)
    tokens = np.fromfile(tmp_path / "train.bin", dtype=np.uint16)
    starts = np.load(tmp_path / "train.starts.npy")
    assert len(tokens) == count
    assert np.flatnonzero(tokens == BOS_ID).tolist() == starts.tolist()
    assert tokenizer.decode(tokens[starts[2] :].tolist()) == CODE


def test_the_card_names_both_losses_and_every_package_that_gave_text():
    comparison = {"tokens": 2_000_000, "characters": 6_000_000, "model": 3.25, "kneser_ney": 4.0, "bits": 1.5}
    measures = {
        "recipe": {"rows": 4, "hidden_rate": 0.1, "outer_rate": 0.2, "clip": 1.0, "decay": 0.4},
        "steps": 5,
        "tokens": 1_000_000,
        "minutes": 7.5,
        "stream_tokens": 2_000_000,
        "parameters": 4_700_000,
        "demo_corpus": comparison,
        "held_out": comparison,
    }
    packages = [
        PinnedPackage(name, "1.0", "MIT", f"{name}-1.0.tar.gz", "0" * 64, held_out=name == "kept")
        for name in ("given", "empty", "kept")
    ]
    characters = {"given": {"code": 3_000_000, "prose": 1_000_000}, "empty": {}, "kept": {"code": 9}}
    text = card(TEMPLATE.read_text(), measures, packages, characters=characters)
    assert "**3.250** | 4.000 | 0.75" in text
    assert "| given | 1.0 | MIT |" in text
    assert "empty" not in text
    assert text.index("| kept |") > text.index("Held out, never trained on:")
    assert "25 % are documentation" in text
