"""The straight way to the logits, against what an edit at the hook really does to the residual stream."""

from pathlib import Path

import pytest
import torch

from worker.lm.model import LanguageModel, load_language_model

LAST = 2
ARCHITECTURES = ("gpt2", "llama", "neox")
WRITERS = [(a, h, p) for a in ARCHITECTURES for h in ("mlp.hook_post", "attn.hook_z") for p in ("raw", "folded")]


@pytest.fixture(scope="module")
def models(folders: dict[str, Path]) -> dict[tuple[str, str], LanguageModel]:
    return {
        (name, processing): load_language_model(folder, device="cpu", dtype="float32", weight_processing=processing)
        for name, folder in folders.items()
        for processing in ("raw", "folded")
    }


def residual_change(model: LanguageModel, hook_name: str, direction: torch.Tensor, target: str) -> torch.Tensor:
    """How the stream at `target` moves when the direction is added at the hook, by running the model both ways."""
    seen = []

    def keep(acts: torch.Tensor) -> torch.Tensor:
        seen.append(acts)
        return acts

    token_ids = torch.arange(20)[None]
    model.logits(token_ids, edit={target: keep})
    model.logits(token_ids, edit={hook_name: lambda acts: acts + direction, target: keep})
    return seen[1] - seen[0]


@pytest.mark.parametrize(("architecture", "name", "processing"), WRITERS)
def test_the_matrix_is_what_the_model_adds_to_the_stream(architecture, name, processing, models):
    model, hook_name = models[architecture, processing], f"blocks.{LAST}.{name}"
    path = model.path_to_logits(hook_name)
    direction = torch.randn(model.hook_width(hook_name), generator=torch.Generator().manual_seed(0))
    target = f"blocks.{LAST}.hook_resid_{'post' if name.startswith('mlp') else 'mid'}"
    change = residual_change(model, hook_name, direction, target)
    torch.testing.assert_close(change[0, 5], direction @ path.to_residual, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("processing", ["raw", "folded"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_norm_scale_and_unembedding_give_the_models_own_logits(architecture, processing, models):
    model = models[architecture, processing]
    path = model.path_to_logits(f"blocks.{LAST}.hook_resid_post")
    assert path.to_residual is None
    one, other = torch.arange(12)[None], torch.arange(20, 32)[None]
    name = f"blocks.{LAST}.hook_resid_post"
    streams = [model.activations(token_ids, [name])[name][0, -1] for token_ids in (one, other)]
    normed = []
    for stream in streams:
        centred = stream - stream.mean() if path.final_norm_centres else stream
        normed.append(centred / centred.pow(2).mean().sqrt() * path.final_norm_scale)
    # Between two texts the biases of norm and unembedding cancel.
    expected = model.logits(one)[0, -1] - model.logits(other)[0, -1]
    torch.testing.assert_close((normed[0] - normed[1]) @ path.W_U, expected, atol=2e-3, rtol=2e-3)
    assert path.final_norm_centres == (architecture != "llama")


@pytest.mark.parametrize("name", ["mlp.hook_pre", "attn.hook_q", "ln1.hook_normalized"])
def test_there_is_no_path_from_before_a_nonlinearity(name, models):
    assert models["gpt2", "raw"].path_to_logits(f"blocks.1.{name}") is None


@pytest.mark.parametrize("name", ["hook_resid_pre", "hook_resid_mid", "hook_mlp_out", "hook_attn_out"])
def test_what_is_written_to_the_stream_needs_no_matrix(name, models):
    path = models["llama", "raw"].path_to_logits(f"blocks.1.{name}")
    assert path is not None and path.to_residual is None and path.W_U.shape == (32, models["llama", "raw"].d_vocab)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_folding_changes_no_probability(architecture, models):
    token_ids = torch.arange(30)[None]
    raw, folded = (models[architecture, kind].logits(token_ids).log_softmax(-1) for kind in ("raw", "folded"))
    torch.testing.assert_close(folded, raw, atol=1e-4, rtol=1e-4)


def test_folding_takes_the_mean_off_the_stream(models):
    name = "blocks.1.hook_resid_post"
    acts = models["gpt2", "folded"].activations(torch.arange(30)[None], [name])[name]
    raw = models["gpt2", "raw"].activations(torch.arange(30)[None], [name])[name]
    torch.testing.assert_close(acts, raw - raw.mean(-1, keepdim=True), atol=1e-4, rtol=1e-4)
