"""Damaged, contradictory and foreign files: each is refused in a sentence that names what is wrong."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from worker.errors import WorkerError
from worker.sae.errors import DictionaryFileError, UnsupportedDictionaryError
from worker.sae.formats import load, save
from worker.sae.formats.hub import locate


@pytest.fixture
def folder(make_dictionary, tmp_path):
    save(make_dictionary("relu"), tmp_path / "sae")
    return tmp_path / "sae"


def change_config(folder, **changes):
    path = folder / "cfg.json"
    values = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({name: value for name, value in values.items() if value is not None}))


def change_metadata(folder, **changes):
    metadata = json.loads((folder / "cfg.json").read_text())["metadata"]
    change_config(folder, metadata={**metadata, **changes})


def change_weights(folder, **changes):
    path = folder / "sae_weights.safetensors"
    tensors = {**load_file(path), **changes}
    save_file({name: tensor for name, tensor in tensors.items() if tensor is not None}, str(path))


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(DictionaryFileError, match="There is no folder"):
        load(tmp_path / "nothing")


def test_a_file_instead_of_a_folder(folder):
    with pytest.raises(DictionaryFileError, match="is a file; give the folder"):
        load(folder / "cfg.json")


def test_a_folder_without_a_dictionary(tmp_path):
    with pytest.raises(DictionaryFileError, match=r"no dictionary of a known format \(saelens\)"):
        load(tmp_path)


def test_a_folder_of_several_dictionaries_lists_them(make_dictionary, tmp_path):
    for name in ("blocks.0.hook_resid_post", "inner/blocks.1.hook_resid_post"):
        save(make_dictionary(), tmp_path / name)
    with pytest.raises(DictionaryFileError, match=r"one of its folders: blocks\.0\.hook_resid_post, inner/blocks\.1"):
        load(tmp_path)


def test_a_format_that_is_not_known(folder):
    with pytest.raises(DictionaryFileError, match="formats are auto, saelens"):
        load(folder, format="onnx")
    assert load(folder, format="saelens").kind == "relu"


@pytest.mark.parametrize("name", ["cfg.json", "sae_weights.safetensors"])
def test_a_missing_file(name, folder):
    (folder / name).unlink()
    with pytest.raises(DictionaryFileError, match=f"There is no {name}"):
        load(folder)


@pytest.mark.parametrize("text", ["{", "[1]", "\udcff"])
def test_a_configuration_that_is_no_json_object(text, folder):
    (folder / "cfg.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DictionaryFileError, match="JSON"):
        load(folder)


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_a_truncated_weight_file(kept, folder):
    path = folder / "sae_weights.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DictionaryFileError, match="no whole safetensors file"):
        load(folder)


def test_weights_that_are_garbage(folder):
    (folder / "sae_weights.safetensors").write_bytes(b"\x80\x04pickle" * 50)
    with pytest.raises(DictionaryFileError, match="no whole safetensors file"):
        load(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_numbers(value, folder):
    change_weights(folder, b_enc=torch.tensor([value] * 2 + [0.0] * 14))
    with pytest.raises(DictionaryFileError, match=r"b_enc .* 2 values that are NaN or infinite"):
        load(folder)


def test_shapes_that_do_not_fit_the_configuration(folder):
    change_config(folder, d_sae=32)
    with pytest.raises(DictionaryFileError, match=r"W_enc .* is \(6, 16\), but by cfg.json it is \(6, 32\)"):
        load(folder)


def test_a_missing_tensor(folder):
    change_weights(folder, b_enc=None)
    with pytest.raises(DictionaryFileError, match="has no b_enc; it holds W_dec, W_enc, b_dec"):
        load(folder)


def test_a_threshold_where_the_architecture_has_none(folder):
    change_weights(folder, threshold=torch.ones(16))
    with pytest.raises(DictionaryFileError, match="also holds threshold"):
        load(folder)


def test_a_jumprelu_without_thresholds(folder):
    change_config(folder, architecture="jumprelu")
    with pytest.raises(DictionaryFileError, match="has no threshold"):
        load(folder)


def test_k_where_the_architecture_has_none(folder):
    change_config(folder, k=5)
    with pytest.raises(DictionaryFileError, match="k = 5 and the architecture 'standard'"):
        load(folder)


@pytest.mark.parametrize("k", [None, 0, -1, 2.5, "3", True])
def test_topk_without_a_usable_k(k, folder):
    change_config(folder, architecture="topk", k=k)
    with pytest.raises(DictionaryFileError, match="says k ="):
        load(folder)


def test_more_k_than_features(folder):
    change_config(folder, architecture="topk", k=17)
    change_metadata(folder, featurescope=None)
    with pytest.raises(DictionaryFileError, match="1 to 16"):
        load(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": "gated"},
        {"architecture": "skip_transcoder"},
        {"normalize_activations": "layer_norm"},
        {"normalize_activations": "constant_norm_rescale"},
        {"reshape_activations": "sideways"},
        {"activation_fn": "tanh-relu"},
    ],
)
def test_what_is_not_supported_is_named_with_a_way_out(changes, folder):
    change_config(folder, **changes)
    (value,) = changes.values()
    with pytest.raises(UnsupportedDictionaryError, match=f"'{value}'.*or choose another dictionary"):
        load(folder)


def test_a_transcoder_is_refused(folder):
    change_metadata(folder, hook_name_out="blocks.0.hook_mlp_out")
    with pytest.raises(UnsupportedDictionaryError, match="is a transcoder"):
        load(folder)


def test_a_single_head_is_refused(folder):
    change_metadata(folder, hook_head_index=3)
    with pytest.raises(UnsupportedDictionaryError, match="hook_head_index 3"):
        load(folder)


def test_a_scale_that_is_not_folded_and_not_given(folder):
    change_config(folder, normalize_activations="expected_average_only_in")
    with pytest.raises(UnsupportedDictionaryError, match="fold_activation_norm_scaling_factor"):
        load(folder)


@pytest.mark.parametrize("factor", [None, 0, -1, "2"])
def test_a_scale_that_is_no_scale(factor, folder):
    change_config(folder, normalize_activations="expected_average_only_in")
    (folder / "activation_scaler.json").write_text(json.dumps({"scaling_factor": factor}))
    with pytest.raises(DictionaryFileError, match="a number above 0"):
        load(folder)


def test_whitened_activations_are_refused(folder):
    change_config(folder, normalize_activations="expected_average_only_in")
    (folder / "activation_scaler.json").write_text(json.dumps({"scaling_factor": 1.0, "has_whitening": True}))
    with pytest.raises(UnsupportedDictionaryError, match="whitened"):
        load(folder)


def test_a_batchtopk_threshold_that_was_never_trained(folder):
    change_weights(folder, topk_threshold=torch.tensor(-1.0))
    change_config(folder, architecture="batchtopk")
    with pytest.raises(DictionaryFileError, match="has not been trained"):
        load(folder)


@pytest.mark.parametrize("name", ["hook_name", "model_name", "context_size"])
def test_a_configuration_that_does_not_say_what_it_reads(name, folder):
    change_metadata(folder, **{name: None})
    with pytest.raises(DictionaryFileError, match=name):
        load(folder)


def test_neurons_whose_weights_are_not_the_identity(folder, make_dictionary):
    save(make_dictionary("neurons"), folder)
    change_weights(folder, W_enc=torch.ones(6, 6))
    with pytest.raises(WorkerError, match="W_enc is not the identity"):
        load(folder)


@pytest.mark.parametrize(("kind", "words"), [("gated", "kinds are relu"), ("topk", "a topk dictionary has k")])
def test_a_noted_kind_that_the_weights_do_not_have(kind, words, folder):
    change_metadata(folder, featurescope={"kind": kind})
    with pytest.raises(DictionaryFileError, match=words):
        load(folder)


def test_other_precisions_are_not_written(make_dictionary, tmp_path):
    with pytest.raises(UnsupportedDictionaryError, match="float32 or bfloat16"):
        save(make_dictionary(), tmp_path, dtype=torch.float16)


def test_a_folder_that_cannot_be_written(make_dictionary, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DictionaryFileError, match="could not be written"):
        save(make_dictionary(), tmp_path / "file")


def test_saving_leaves_two_files_that_the_same_people_may_read(folder):
    weights, config = folder / "sae_weights.safetensors", folder / "cfg.json"
    assert sorted(folder.iterdir()) == [config, weights]
    assert weights.stat().st_mode == config.stat().st_mode


def hub_cache(tmp_path, make_dictionary):
    """A snapshot in the layout in which the hub's client keeps it."""
    revision = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--someone--saes"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(revision)
    snapshot = repository / "snapshots" / revision
    save(make_dictionary(), snapshot / "blocks.0.hook_resid_post")
    return snapshot


def test_a_folder_of_a_repository_on_the_hub(make_dictionary, tmp_path):
    snapshot = hub_cache(tmp_path, make_dictionary)
    name = "someone/saes/blocks.0.hook_resid_post"
    found = locate(name, cache_folder=tmp_path, local_files_only=True)
    assert found == snapshot / "blocks.0.hook_resid_post"
    assert load(found).hash == make_dictionary().hash
    assert locate("someone/saes@main", cache_folder=tmp_path, local_files_only=True) == snapshot


def test_a_folder_the_repository_does_not_have(make_dictionary, tmp_path):
    hub_cache(tmp_path, make_dictionary)
    with pytest.raises(DictionaryFileError, match="has no folder 'elsewhere'"):
        locate("someone/saes/elsewhere", cache_folder=tmp_path, local_files_only=True)


def test_a_repository_that_cannot_be_had(tmp_path):
    with pytest.raises(DictionaryFileError, match="the hub did not give the repository 'no/body'"):
        locate("no/body", cache_folder=tmp_path, local_files_only=True)
