"""Loading models: identity, choices made automatically, real models, and what is said of broken folders."""

import json
import shutil
import socket
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.worker.lm.conftest import BUNDLED_MODEL, SHARED_DATA, needed
from worker.lm.errors import LanguageModelError, ModelFilesError, ModelNotFound
from worker.lm.files import find_model
from worker.lm.model import load_language_model
from worker.lm.placement import choose_device, choose_dtype
from worker.lm.weights import hash_weights


@pytest.fixture
def folder(folders: dict[str, Path], tmp_path: Path) -> Path:
    """A model folder that a test may break."""
    return Path(shutil.copytree(folders["gpt2"], tmp_path / "broken"))


def load(source: object) -> object:
    return load_language_model(source, device="cpu", dtype="float32")


def test_a_loaded_model_says_what_it_is(folders):
    model = load(folders["neox"])
    assert (model.name, model.architecture) == ("small-neox", "GPTNeoXForCausalLM")
    assert (model.d_model, model.n_layers, model.n_ctx, model.d_vocab) == (32, 3, 64, 333)
    assert (model.device, model.dtype, model.weight_processing) == (torch.device("cpu"), torch.float32, "raw")


def test_a_local_folder_never_opens_a_connection(folders, monkeypatch):
    def refuse(*_args: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert load(folders["llama"]).logits(torch.tensor([[1, 2]])).shape == (1, 2, 336)


def test_the_weights_hash_is_of_tensors_and_not_of_files(folder):
    sharded = hash_weights(find_model(folder).weights)
    tensors = {}
    for shard in find_model(folder).weights:
        tensors |= load_file(shard)
        shard.unlink()
    (folder / "model.safetensors.index.json").unlink()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt", "note": "one file now"})
    assert hash_weights(find_model(folder).weights) == sharded
    name = next(iter(tensors))
    tensors[name] = tensors[name] + 1
    save_file(tensors, folder / "model.safetensors")
    assert hash_weights(find_model(folder).weights) != sharded


def test_automatic_choices_are_a_device_and_a_dtype_that_run(folders):
    model = load_language_model(folders["gpt2"])
    assert model.dtype in (torch.float32, torch.bfloat16)
    assert torch.isfinite(model.logits(torch.tensor([[1, 2, 3]], device=model.device))).all()


def test_a_dtype_can_be_asked_for(folders):
    assert load_language_model(folders["gpt2"], device="cpu", dtype="bfloat16").dtype == torch.bfloat16


def test_an_unknown_dtype_or_device_is_refused():
    with pytest.raises(LanguageModelError, match="'float8'"):
        choose_dtype("float8", torch.device("cpu"))
    with pytest.raises(LanguageModelError, match="'warp'"):
        choose_device("warp")


@pytest.mark.parametrize("source", ["/no/such/folder", "./nowhere", "a/b/c", "catalog/absent"])
def test_a_wrong_path_is_named(source):
    with pytest.raises(ModelNotFound, match=r"folder"):
        load(source)


def test_a_file_is_no_model(folder):
    with pytest.raises(ModelNotFound, match="is a file"):
        load(folder / "config.json")


@pytest.mark.parametrize("name", ["config.json", "model-00002-of-00004.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ModelFilesError, match=name):
        load(folder)


def test_a_folder_without_weights_is_named(folder):
    for path in folder.glob("*.safetensors*"):
        path.unlink()
    with pytest.raises(ModelFilesError, match="no weights"):
        load(folder)


@pytest.mark.parametrize("kept", [0, 5, 200, -1])
def test_truncated_weights_are_named(folder, kept):
    path = folder / "model-00003-of-00004.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelFilesError, match=r"model-00003.*corrupt or truncated"):
        load(folder)


def test_a_garbled_header_is_named(folder):
    path = folder / "model-00001-of-00004.safetensors"
    content = bytearray(path.read_bytes())
    content[20:24] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    with pytest.raises(ModelFilesError, match=r"model-00001.*corrupt"):
        load(folder)


def test_weights_of_another_model_are_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "n_layer": 4}))
    with pytest.raises(ModelFilesError, match="different models"):
        load(folder)


def test_a_garbled_config_is_named(folder):
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelFilesError, match="configuration"):
        load(folder)


def test_a_real_llama_continues_a_story():
    model = load(needed(SHARED_DATA / "stories260K"))
    token_ids = torch.tensor([[model.tokenizer.bos_id]])
    for _ in range(45):
        token_ids = torch.cat([token_ids, model.logits(token_ids)[:, -1:].argmax(-1)], dim=1)
    table = model.tokenizer.token_bytes()
    text = b"".join(table[token_id] for token_id in token_ids[0, 1:].tolist()).decode().strip()
    assert text.startswith("Once upon a time, there was a little girl named Lily. She loved to play outside ")


def test_a_real_llama_predicts_its_own_kind_of_text():
    model = load(needed(SHARED_DATA / "stories260K"))
    text = needed(SHARED_DATA / "tinystories-sample.txt").read_text()[:200_000]
    stories = [story.strip() for story in text.split("<|endoftext|>")]
    stream = torch.cat([torch.tensor([1, *token_ids.tolist()]) for token_ids in model.tokenizer.encode(stories)])
    rows = stream[: len(stream) // 512 * 512].reshape(-1, 512)[:16]
    log_probs = model.logits(rows).log_softmax(-1)[:, :-1].gather(2, rows[:, 1:, None])
    assert -log_probs.mean().item() == pytest.approx(1.30, abs=0.05)


def test_the_bundled_model_writes_python():
    model = load(needed(BUNDLED_MODEL))
    (token_ids,) = model.tokenizer.encode(["import os\nimport sys\n\n\ndef main():\n    return os.path.join("])
    row = torch.tensor([[model.tokenizer.bos_id, *token_ids.tolist()]])
    log_probs = model.logits(row).log_softmax(-1)[:, :-1].gather(2, row[:, 1:, None])
    assert -log_probs.mean().item() < 4.0
    assert (
        model.hook_width("blocks.2.mlp.hook_post")
        == model.path_to_logits("blocks.2.mlp.hook_post").to_residual.shape[0]
    )
