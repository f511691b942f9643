"""Direct logit attribution: its parts sum to the model's logits, and each is what plain algebra gives."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tiny import tiny_dictionary
from tests.worker.live.conftest import live
from tests.worker.lm.conftest import write_model
from worker.live import attribution
from worker.live.attribution import attribute
from worker.live.errors import LiveError
from worker.lm.model import LanguageModel, load_language_model
from worker.sae.dictionary import Dictionary

WAYS = [(name, way) for name in ("gpt2", "llama", "neox") for way in ("raw", "folded")]
HOOKS = ("blocks.1.hook_resid_post", "blocks.0.hook_resid_pre", "blocks.2.hook_mlp_out", "blocks.1.mlp.hook_post")
TOKENS = np.array([1, 40, 41, 99, 120, 7, 55])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], LanguageModel]:
    folders: dict[str, Path] = {
        name: write_model(name, tmp_path_factory.mktemp("models") / name) for name in ("gpt2", "llama", "neox")
    }
    return {
        (name, way): load_language_model(folders[name], device="cpu", dtype="float32", weight_processing=way)
        for name, way in WAYS
    }


def dictionary_for(model: LanguageModel, hook_name: str) -> Dictionary:
    """Random directions with a bias, so that every part of the sum is there."""
    width = model.hook_width(hook_name)
    plain = tiny_dictionary(hook_name=hook_name, d_in=width)
    return replace(plain, b_dec=torch.randn(width, generator=torch.Generator().manual_seed(8)))


def summed(found) -> np.ndarray:
    """What all contributions give on the targets."""
    parts = [*(each for _, _, each in found.features), *found.parts.values()]
    return np.sum([each.on_targets for each in parts + ([] if found.others is None else [found.others])], axis=0)


@pytest.mark.parametrize("hook_name", HOOKS)
@pytest.mark.parametrize("way", WAYS)
def test_contributions_sum_to_the_logits(way, hook_name, models):
    model = models[way]
    ready = live(dictionary_for(model, hook_name), model)
    everything = list(range(model.d_vocab))
    for position in (1, 4, 6):
        for most_features in (3, 100):
            found = attribute(ready, TOKENS, position=position, targets=everything, most_features=most_features)
            logits = model.logits(torch.from_numpy(TOKENS[None]))[0, position]
            assert found.targets == tuple(everything)
            assert np.allclose(found.logits, logits.numpy(), atol=1e-4)
            assert np.allclose(summed(found), logits.numpy(), atol=2e-3 * float(logits.abs().max()))
            assert found.gap <= 2e-3 * float(logits.abs().max())
            assert len(found.features) == min(most_features, len(found.features) + found.n_others)


@pytest.mark.parametrize("way", [("gpt2", "raw"), ("llama", "raw")])
def test_each_contribution_is_its_vector_through_the_norm_at_that_token(way, models):
    model, hook_name = models[way], HOOKS[0]
    dictionary = dictionary_for(model, hook_name)
    found = attribute(live(dictionary, model), TOKENS, position=4, targets=[3, 9], most_features=100)
    acts = model.activations(torch.from_numpy(TOKENS[None]), [hook_name, "blocks.2.hook_resid_post"])
    x, last = acts[hook_name][0, 4], acts["blocks.2.hook_resid_post"][0, 4]
    is_layer_norm = way[0] == "gpt2"
    norm = model._bridge.ln_final.original_component
    spread = last - last.mean() if is_layer_norm else last
    scale = (spread.pow(2).mean() + (1e-5 if is_layer_norm else 1e-6)).sqrt()
    W_U = model.path_to_logits(hook_name).W_U

    def plainly(vector: torch.Tensor) -> list[float]:
        centred = vector - vector.mean() if is_layer_norm else vector
        return (centred / scale * norm.weight @ W_U)[[3, 9]].tolist()

    f = dictionary.encode(x)
    assert [feature for feature, _, _ in found.features] != []
    assert {feature for feature, _, _ in found.features} == set(np.flatnonzero(f.numpy()).tolist())
    for feature, activation, contribution in found.features:
        assert activation == pytest.approx(float(f[feature]), abs=1e-4)
        expected = plainly(f[feature] * dictionary.decoder_direction(feature))
        assert contribution.on_targets[:2] == pytest.approx(expected, abs=1e-3)
    recon = dictionary.decode(f)
    assert found.parts["error"].on_targets[:2] == pytest.approx(plainly(x - recon), abs=1e-3)
    assert found.parts["bias"].on_targets[:2] == pytest.approx(plainly(dictionary.b_dec), abs=1e-3)
    assert found.parts["rest"].on_targets[:2] == pytest.approx(plainly(last - x), abs=1e-3)


def test_what_a_feature_pushes_is_what_it_adds_beyond_the_mean(models):
    model = models["neox", "raw"]
    ready = live(dictionary_for(model, HOOKS[0]), model)
    found = attribute(ready, TOKENS, position=3, targets=list(range(model.d_vocab)), most_features=100)
    for _, _, each in found.features:
        added = np.array(each.on_targets)
        assert each.mean == pytest.approx(added.mean(), abs=1e-4)
        assert [push.token_id for push in each.up] == np.argsort(-added)[:8].tolist()
        assert [push.token_id for push in each.down] == np.argsort(added)[:8].tolist()
        assert each.up[0].amount == pytest.approx(added.max() - added.mean(), abs=1e-4)
    spreads = [np.std(each.on_targets) for _, _, each in found.features]
    assert spreads == sorted(spreads, reverse=True)


def test_blocks_of_features_change_nothing(models, monkeypatch):
    model = models["gpt2", "raw"]
    ready = live(dictionary_for(model, HOOKS[0]), model)
    whole = attribute(ready, TOKENS, position=4, targets=[], most_features=100)
    monkeypatch.setattr(attribution, "BLOCK_BYTES", 1)
    blocks = attribute(ready, TOKENS, position=4, targets=[], most_features=100)
    assert [feature for feature, _, _ in blocks.features] == [feature for feature, _, _ in whole.features]
    assert np.allclose(summed(blocks), summed(whole), atol=1e-5)


def test_the_likeliest_tokens_are_told_beside_the_targets(models):
    model = models["gpt2", "raw"]
    ready = live(dictionary_for(model, HOOKS[0]), model)
    found = attribute(ready, TOKENS, position=2, targets=[5], most_features=4)
    own = model.logits(torch.from_numpy(TOKENS[None]))[0, 2].log_softmax(-1)
    assert found.targets[0] == 5
    assert set(found.targets[1:]) | {5} >= set(torch.topk(own, 10).indices.tolist())
    assert np.allclose(found.log_probabilities, own[list(found.targets)].numpy(), atol=1e-4)


def test_what_cannot_be_attributed_says_why(models):
    model = models["gpt2", "raw"]
    before = live(dictionary_for(model, "blocks.1.mlp.hook_pre"), model)
    with pytest.raises(LiveError, match="before a nonlinearity"):
        attribute(before, TOKENS, position=2, targets=[], most_features=4)
    ready = live(dictionary_for(model, HOOKS[0]), model)
    with pytest.raises(LiveError, match="tokens 0 to 6; there is no token 7"):
        attribute(ready, TOKENS, position=7, targets=[], most_features=4)
    with pytest.raises(LiveError, match="Token 0 is one that this dictionary leaves out"):
        attribute(ready, TOKENS, position=0, targets=[], most_features=4)
