"""Reading on from kept keys and values, against reading everything at once, with and without edits at hooks."""

from pathlib import Path

import pytest
import torch
from torch import nn

from worker.lm.model import LanguageModel, load_language_model

ARCHITECTURES = ("gpt2", "llama", "neox")
WAYS = [(architecture, processing) for architecture in ARCHITECTURES for processing in ("raw", "folded")]
HOOKS = (
    "blocks.0.hook_resid_pre",
    "blocks.1.hook_resid_post",
    "blocks.1.mlp.hook_post",
    "blocks.1.attn.hook_z",
    "blocks.1.attn.hook_k",
    "blocks.2.ln2.hook_normalized",
)


@pytest.fixture(scope="module")
def models(folders: dict[str, Path]) -> dict[tuple[str, str], LanguageModel]:
    return {
        (name, processing): load_language_model(
            folders[name], device="cpu", dtype="float32", weight_processing=processing
        )
        for name, processing in WAYS
    }


def tokens() -> torch.Tensor:
    return torch.randint(0, 300, (2, 12), generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("hook_name", [None, *HOOKS])
@pytest.mark.parametrize("way", WAYS)
def test_reading_on_gives_what_reading_at_once_gives(way, hook_name, models):
    model = models[way]
    assert model.reads_on
    width = model.hook_width(hook_name or HOOKS[0])
    shift = torch.randn(width, generator=torch.Generator().manual_seed(1))

    def edit(acts: torch.Tensor) -> torch.Tensor:
        """Depends on its own token alone, as every edit of features does."""
        return acts + torch.where(acts[..., :1] > 0, shift, -0.5 * acts)

    edits = {} if hook_name is None else {hook_name: edit}
    at_once = model.logits(tokens(), edit=edits)
    logits, kept = model.read_on(tokens()[:, :5], edit=edits)
    torch.testing.assert_close(logits, at_once[:, 4], atol=2e-4, rtol=2e-4)
    for at in range(5, 12):
        logits, kept = model.read_on(tokens()[:, at : at + 1], kept, edit=edits)
        torch.testing.assert_close(logits, at_once[:, at], atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("way", WAYS)
def test_the_last_pass_holds_what_the_unembedding_reads(way, models):
    model, hook_name = models[way], "blocks.1.hook_resid_post"
    found, path = model.last_pass(tokens(), hook_name), model.path_to_logits(hook_name)
    torch.testing.assert_close(found.acts, model.activations(tokens(), [hook_name])[hook_name], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.logits, model.logits(tokens()), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.normed @ path.W_U + path.b_U, found.logits, atol=1e-3, rtol=1e-3)
    width = (found.resid.shape[-1],)
    if way[0] == "llama":
        plain = nn.functional.rms_norm(found.resid, width, path.final_norm_scale, 1e-6)
    else:
        plain = nn.functional.layer_norm(found.resid, width, path.final_norm_scale, path.final_norm_bias, 1e-5)
    torch.testing.assert_close(found.normed, plain, atol=1e-3, rtol=1e-3)


def test_nothing_is_left_on_the_model_after_reading_on(models):
    model = models["neox", "raw"]
    before = model.logits(tokens())
    _, kept = model.read_on(tokens()[:, :4])
    model.read_on(tokens()[:, 4:5], kept, edit={HOOKS[1]: torch.zeros_like})
    torch.testing.assert_close(model.logits(tokens()), before)
    assert all(not point.has_hooks() for point in model._bridge.hook_dict.values())
