"""The SAELens layout: what is written is read back, and what is folded computes what SAELens would."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from worker.sae.dictionary import KINDS
from worker.sae.formats import load, save

D_IN, D_SAE = 6, 16
METADATA = {"hook_name": "blocks.3.hook_resid_post", "model_name": "gpt2", "context_size": 128, "prepend_bos": True}


def some_weights():
    generator = torch.Generator().manual_seed(1)
    return {
        "W_enc": torch.randn(D_IN, D_SAE, generator=generator),
        "b_enc": torch.randn(D_SAE, generator=generator),
        "W_dec": torch.randn(D_SAE, D_IN, generator=generator),
        "b_dec": torch.randn(D_IN, generator=generator),
    }


def write(folder, weights, *, metadata=METADATA, **config):
    folder.mkdir(exist_ok=True)
    save_file(weights, str(folder / "sae_weights.safetensors"))
    values = {"architecture": "standard", "d_in": D_IN, "d_sae": D_SAE, "apply_b_dec_to_input": False, **config}
    (folder / "cfg.json").write_text(json.dumps({**values, "metadata": metadata}))
    return folder


def write_flat(folder, weights, **config):
    folder.mkdir(exist_ok=True)
    save_file(weights, str(folder / "sae_weights.safetensors"))
    (folder / "cfg.json").write_text(json.dumps({"d_in": D_IN, "d_sae": D_SAE, **METADATA, **config}))
    return folder


def close(left, right):
    return torch.allclose(left, right, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_saved_is_loaded_with_the_same_identity(kind, make_dictionary, acts, tmp_path):
    dictionary = make_dictionary(kind)
    save(dictionary, tmp_path / "sae")
    loaded = load(tmp_path / "sae")
    assert loaded.hash == dictionary.hash
    assert loaded.kind == kind
    assert loaded.conventions == dictionary.conventions
    assert torch.equal(loaded.encode(acts), dictionary.encode(acts))


@pytest.mark.parametrize("kind", ["relu", "topk", "jumprelu"])
def test_bfloat16_weights_are_loaded_as_they_were_rounded(kind, make_dictionary, tmp_path):
    dictionary = make_dictionary(kind)
    save(dictionary, tmp_path / "sae", dtype=torch.bfloat16)
    held = load_file(tmp_path / "sae" / "sae_weights.safetensors")
    assert held["W_enc"].dtype == torch.bfloat16
    loaded = load(tmp_path / "sae")
    assert loaded.dtype == torch.float32
    assert torch.allclose(loaded.W_enc, dictionary.W_enc, rtol=2e-2)
    assert load(tmp_path / "sae").hash == loaded.hash


def test_a_version_6_file_names_its_hook_model_and_conventions(tmp_path):
    kwargs = {"center_writing_weights": True}
    metadata = {**METADATA, "prepend_bos": False, "model_from_pretrained_kwargs": kwargs, "exclude_special_tokens": [3]}
    loaded = load(write(tmp_path / "sae", some_weights(), metadata=metadata))
    assert (loaded.hook_name, loaded.model_name) == ("blocks.3.hook_resid_post", "gpt2")
    assert loaded.conventions.to_json() == {
        "prepend_bos": False,
        "n_ctx": 128,
        "weight_processing": "folded",
        "excluded_tokens": [3],
    }
    assert loaded.metadata["source"] == str(tmp_path / "sae")


def test_relu_weights_come_out_with_unit_rows_and_the_same_reconstruction(acts, tmp_path):
    weights = some_weights()
    loaded = load(write(tmp_path / "sae", weights))
    feature_acts = torch.relu(acts @ weights["W_enc"] + weights["b_enc"])
    norms = weights["W_dec"].norm(dim=-1)
    assert close(loaded.W_dec.norm(dim=-1), torch.ones(D_SAE))
    assert close(loaded.encode(acts), feature_acts * norms)
    assert close(loaded.decode(loaded.encode(acts)), feature_acts @ weights["W_dec"] + weights["b_dec"])
    assert close(loaded.decoder_norms, norms)


def test_subtracting_b_dec_from_the_input_is_folded_in(acts, tmp_path):
    weights = some_weights()
    loaded = load(write(tmp_path / "sae", weights, apply_b_dec_to_input=True))
    feature_acts = torch.relu((acts - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"])
    assert close(loaded.encode(acts), feature_acts * weights["W_dec"].norm(dim=-1))


@pytest.mark.parametrize("name", ["threshold", "log_threshold"])
def test_jumprelu_thresholds_scale_with_the_activations(name, acts, tmp_path):
    weights, threshold = some_weights(), torch.linspace(0.1, 2, D_SAE)
    stored = threshold.log() if name == "log_threshold" else threshold
    loaded = load(write(tmp_path / "sae", {**weights, name: stored}, architecture="jumprelu"))
    pre = acts @ weights["W_enc"] + weights["b_enc"]
    feature_acts = torch.where(pre > threshold, pre, 0).relu()
    assert loaded.kind == "jumprelu"
    assert close(loaded.decode(loaded.encode(acts)), feature_acts @ weights["W_dec"] + weights["b_dec"])


def top_k(pre, k):
    values, indices = pre.topk(k, dim=-1)
    return torch.zeros_like(pre).scatter(-1, indices, values.relu())


def test_topk_keeps_its_rows_for_folding_them_would_change_what_is_largest(acts, tmp_path):
    weights = some_weights()
    loaded = load(write(tmp_path / "sae", weights, architecture="topk", k=3))
    feature_acts = top_k(acts @ weights["W_enc"] + weights["b_enc"], 3)
    assert (loaded.kind, loaded.k) == ("topk", 3)
    assert torch.equal(loaded.W_dec, weights["W_dec"])
    assert close(loaded.encode(acts), feature_acts)


def test_topk_that_selects_by_activation_times_norm_is_folded(acts, tmp_path):
    weights = some_weights()
    loaded = load(write(tmp_path / "sae", weights, architecture="topk", k=3, rescale_acts_by_decoder_norm=True))
    norms = weights["W_dec"].norm(dim=-1)
    feature_acts = top_k((acts @ weights["W_enc"] + weights["b_enc"]) * norms, 3)
    assert close(loaded.encode(acts), feature_acts)
    expected = (feature_acts / norms) @ weights["W_dec"] + weights["b_dec"]
    assert close(loaded.decode(loaded.encode(acts)), expected)


@pytest.mark.parametrize("rescaled", [True, False])
def test_a_batchtopk_checkpoint_is_a_jumprelu_with_one_threshold(rescaled, acts, tmp_path):
    weights = {**some_weights(), "topk_threshold": torch.tensor(0.7, dtype=torch.float64)}
    config = {"architecture": "batchtopk", "k": 3, "rescale_acts_by_decoder_norm": rescaled}
    loaded = load(write(tmp_path / "sae", weights, **config))
    norms = weights["W_dec"].norm(dim=-1)
    pre = acts @ weights["W_enc"] + weights["b_enc"]
    selected_by = pre * norms if rescaled else pre
    feature_acts = torch.where(selected_by > 0.7, pre, 0)
    assert loaded.kind == "jumprelu"
    assert close(loaded.decode(loaded.encode(acts)), feature_acts @ weights["W_dec"] + weights["b_dec"])


@pytest.mark.parametrize("architecture", ["standard", "topk", "batchtopk"])
def test_an_input_scale_kept_beside_the_weights_is_folded_in(architecture, acts, tmp_path):
    weights, scale = some_weights(), 2.5
    config = {"architecture": architecture, "normalize_activations": "expected_average_only_in"}
    config |= {"apply_b_dec_to_input": True, "rescale_acts_by_decoder_norm": architecture != "standard"}
    if architecture != "standard":
        config["k"] = 3
    if architecture == "batchtopk":
        weights["topk_threshold"] = torch.tensor(0.7)
    folder = write(tmp_path / "sae", weights, **config)
    (folder / "activation_scaler.json").write_text(json.dumps({"scaling_factor": scale}))
    norms = weights["W_dec"].norm(dim=-1)
    pre = (acts * scale - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"]
    feature_acts = {
        "standard": pre.relu(),
        "topk": top_k(pre * norms, 3) / norms,
        "batchtopk": torch.where(pre * norms > 0.7, pre, 0),
    }[architecture]
    expected = (feature_acts @ weights["W_dec"] + weights["b_dec"]) / scale
    loaded = load(folder)
    assert close(loaded.decode(loaded.encode(acts)), expected)


def test_a_flat_file_from_before_version_6_is_read(acts, tmp_path):
    weights = some_weights()
    config = {"activation_fn_str": "relu", "hook_layer": 3, "normalize_activations": False, "dtype": "torch.float32"}
    loaded = load(write_flat(tmp_path / "sae", weights, **config))
    feature_acts = torch.relu((acts - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"])
    assert loaded.kind == "relu"
    assert close(loaded.decode(loaded.encode(acts)), feature_acts @ weights["W_dec"] + weights["b_dec"])


def test_a_flat_topk_file_has_its_k_in_the_activation_function(tmp_path):
    config = {"activation_fn_str": "topk", "activation_fn_kwargs": {"k": 5}}
    loaded = load(write_flat(tmp_path / "sae", some_weights(), **config))
    assert (loaded.kind, loaded.k) == ("topk", 5)


def test_very_old_names_of_the_hook_are_known(tmp_path):
    folder = write_flat(tmp_path / "sae", some_weights())
    values = json.loads((folder / "cfg.json").read_text())
    values["hook_point"] = values.pop("hook_name")
    (folder / "cfg.json").write_text(json.dumps(values))
    assert load(folder).hook_name == "blocks.3.hook_resid_post"


def test_a_scaling_factor_of_the_activations_is_folded_into_the_decoder(acts, tmp_path):
    weights, factor = some_weights(), torch.linspace(0.5, 2, D_SAE)
    loaded = load(write_flat(tmp_path / "sae", {**weights, "scaling_factor": factor}, apply_b_dec_to_input=False))
    feature_acts = torch.relu(acts @ weights["W_enc"] + weights["b_enc"]) * factor
    assert close(loaded.decode(loaded.encode(acts)), feature_acts @ weights["W_dec"] + weights["b_dec"])
    assert loaded.metadata["activation_scale"] == pytest.approx(factor.tolist())


def test_a_scaling_factor_of_ones_says_nothing(tmp_path):
    plain = load(write_flat(tmp_path / "plain", some_weights()))
    ones = load(write_flat(tmp_path / "ones", {**some_weights(), "scaling_factor": torch.ones(D_SAE)}))
    assert ones.hash == plain.hash
