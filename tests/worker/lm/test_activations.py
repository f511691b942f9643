"""Activations at hooks, against forward hooks on the raw modules of the same files."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from worker.lm.errors import ContextTooLong, HookNotFound, LanguageModelError
from worker.lm.model import LanguageModel, load_language_model

LAYER = 1
# By architecture: the TransformerLens name in a block, the raw module, and whether its input or output is meant.
RAW_PLACES = {
    "gpt2": {
        "hook_resid_pre": ("transformer.h.1", "input"),
        "attn.hook_z": ("transformer.h.1.attn.c_proj", "input"),
        "hook_attn_out": ("transformer.h.1.attn", "output"),
        "hook_resid_mid": ("transformer.h.1.ln_2", "input"),
        "mlp.hook_pre": ("transformer.h.1.mlp.c_fc", "output"),
        "mlp.hook_post": ("transformer.h.1.mlp.act", "output"),
        "hook_mlp_out": ("transformer.h.1.mlp", "output"),
        "hook_resid_post": ("transformer.h.1", "output"),
    },
    "llama": {
        "hook_resid_pre": ("model.layers.1", "input"),
        "attn.hook_q": ("model.layers.1.self_attn.q_proj", "output"),
        "attn.hook_k": ("model.layers.1.self_attn.k_proj", "output"),
        "attn.hook_v": ("model.layers.1.self_attn.v_proj", "output"),
        "attn.hook_z": ("model.layers.1.self_attn.o_proj", "input"),
        "hook_attn_out": ("model.layers.1.self_attn", "output"),
        "hook_resid_mid": ("model.layers.1.post_attention_layernorm", "input"),
        "mlp.hook_pre": ("model.layers.1.mlp.gate_proj", "output"),
        "mlp.hook_pre_linear": ("model.layers.1.mlp.up_proj", "output"),
        "mlp.hook_post": ("model.layers.1.mlp.down_proj", "input"),
        "hook_mlp_out": ("model.layers.1.mlp", "output"),
        "hook_resid_post": ("model.layers.1", "output"),
    },
    "neox": {
        "hook_resid_pre": ("gpt_neox.layers.1", "input"),
        "attn.hook_z": ("gpt_neox.layers.1.attention.dense", "input"),
        "hook_attn_out": ("gpt_neox.layers.1.attention", "output"),
        "hook_resid_mid": ("gpt_neox.layers.1.post_attention_layernorm", "input"),
        "mlp.hook_pre": ("gpt_neox.layers.1.mlp.dense_h_to_4h", "output"),
        "mlp.hook_post": ("gpt_neox.layers.1.mlp.dense_4h_to_h", "input"),
        "hook_mlp_out": ("gpt_neox.layers.1.mlp", "output"),
        "hook_resid_post": ("gpt_neox.layers.1", "output"),
    },
}
EACH_PLACE = [(architecture, name) for architecture, places in RAW_PLACES.items() for name in places]


@pytest.fixture(scope="module")
def models(folders: dict[str, Path]) -> dict[str, LanguageModel]:
    return {name: load_language_model(folder, device="cpu", dtype="float32") for name, folder in folders.items()}


@pytest.fixture(scope="module")
def raw_models(folders: dict[str, Path]) -> dict[str, nn.Module]:
    return {name: AutoModelForCausalLM.from_pretrained(folder).eval() for name, folder in folders.items()}


def tokens(n_contexts: int = 3, n_tokens: int = 12) -> Tensor:
    return torch.randint(0, 300, (n_contexts, n_tokens), generator=torch.Generator().manual_seed(3))


def seen_by_raw_model(model: nn.Module, token_ids: Tensor, module_name: str, side: str) -> Tensor:
    seen = []

    def look(_module: nn.Module, args: tuple, kwargs: dict, output: object) -> None:
        value = (args[0] if args else kwargs["hidden_states"]) if side == "input" else output
        seen.append(value[0] if isinstance(value, tuple) else value)

    handle = model.get_submodule(module_name).register_forward_hook(look, with_kwargs=True)
    try:
        with torch.no_grad():
            model(token_ids)
    finally:
        handle.remove()
    return seen[0]


@pytest.mark.parametrize(("architecture", "name"), EACH_PLACE)
def test_a_hook_holds_what_the_raw_module_computes(architecture, name, models, raw_models):
    hook_name = f"blocks.{LAYER}.{name}"
    model = models[architecture]
    acts = model.activations(tokens(), [hook_name])[hook_name]
    expected = seen_by_raw_model(raw_models[architecture], tokens(), *RAW_PLACES[architecture][name])
    assert acts.shape == (3, 12, model.hook_width(hook_name))
    torch.testing.assert_close(acts, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("architecture", RAW_PLACES)
def test_normalized_is_the_norm_without_gain_and_bias(architecture, models):
    names = [f"blocks.{LAYER}.{name}" for name in ("hook_resid_mid", "ln2.hook_normalized")]
    acts = models[architecture].activations(tokens(), names)
    before = acts[names[0]]
    centred = before if architecture == "llama" else before - before.mean(-1, keepdim=True)
    expected = centred / centred.pow(2).mean(-1, keepdim=True).sqrt()
    torch.testing.assert_close(acts[names[1]], expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("architecture", RAW_PLACES)
def test_joint_query_key_value_hooks_agree_with_the_raw_projection(architecture, models, raw_models):
    model, raw = models[architecture], raw_models[architecture]
    names = [f"blocks.{LAYER}.attn.hook_{part}" for part in "qkv"]
    acts = model.activations(tokens(), names)
    if architecture == "gpt2":
        joint = seen_by_raw_model(raw, tokens(), "transformer.h.1.attn.c_attn", "output")
        expected = joint.chunk(3, dim=-1)
    elif architecture == "neox":
        joint = seen_by_raw_model(raw, tokens(), "gpt_neox.layers.1.attention.query_key_value", "output")
        expected = [part.flatten(2) for part in joint.unflatten(-1, (4, 24)).chunk(3, dim=-1)]
    else:
        attention = "model.layers.1.self_attn"
        expected = [seen_by_raw_model(raw, tokens(), f"{attention}.{part}_proj", "output") for part in "qkv"]
    for name, values in zip(names, expected, strict=True):
        torch.testing.assert_close(acts[name], values, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("architecture", RAW_PLACES)
def test_logits_are_those_of_the_raw_model(architecture, models, raw_models):
    with torch.no_grad():
        expected = raw_models[architecture](tokens()).logits
    torch.testing.assert_close(models[architecture].logits(tokens()), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("architecture", RAW_PLACES)
def test_whole_and_stepwise_modules_give_the_same(architecture, models):
    model, name = models[architecture], "blocks.2.hook_resid_post"
    whole = model.activations(tokens(), [name])[name]
    stepwise = model.activations(tokens(), ["blocks.0.ln1.hook_normalized", name])[name]
    torch.testing.assert_close(stepwise, whole, atol=1e-4, rtol=1e-4)
    assert {name, f"blocks.{LAYER}.mlp.hook_post"} <= model._hooks.whole


@pytest.mark.parametrize("architecture", RAW_PLACES)
def test_layers_after_the_deepest_hook_do_not_run(architecture, models):
    model = models[architecture]
    ran = []
    blocks = model._bridge.blocks
    handles = [
        block.register_forward_pre_hook(lambda *_, layer=layer: ran.append(layer)) for layer, block in enumerate(blocks)
    ]
    try:
        model.activations(tokens(), ["blocks.1.hook_resid_post", "blocks.0.hook_resid_mid"])
        assert ran == [0, 1]
        ran.clear()
        model.activations(tokens(), ["blocks.1.hook_resid_pre"])
        assert ran in ([0], [0, 1])
        ran.clear()
        model.logits(tokens())
        assert ran == [0, 1, 2]
    finally:
        for handle in handles:
            handle.remove()


def test_the_rest_of_a_block_after_its_deepest_hook_does_not_run(models):
    ran = []
    handle = models["gpt2"]._bridge.blocks[1].mlp.register_forward_pre_hook(lambda *_: ran.append(1))
    models["gpt2"].activations(tokens(), ["blocks.1.hook_attn_out"])
    handle.remove()
    assert ran == []


@pytest.mark.parametrize("architecture", RAW_PLACES)
def test_padding_on_the_right_changes_nothing_before_it(architecture, models):
    model = models[architecture]
    name = "blocks.2.hook_resid_post"
    whole = tokens()
    padded = torch.cat([whole[:, :5], torch.full((3, 7), model.tokenizer.pad_id)], dim=1)
    alone = model.activations(whole[:, :5], [name])[name]
    torch.testing.assert_close(model.activations(padded, [name])[name][:, :5], alone, atol=1e-4, rtol=1e-4)


def test_activations_carry_no_gradient_and_leave_no_hooks(models):
    model = models["llama"]
    acts = model.activations(tokens(), ["blocks.1.hook_resid_post"])["blocks.1.hook_resid_post"]
    assert not acts.requires_grad
    assert all(not point.has_hooks() for point in model._bridge.hook_dict.values())


def test_two_names_of_one_hook_both_get_its_value(models):
    names = ["blocks.1.hook_resid_post", "blocks.1.hook_out"]
    acts = models["neox"].activations(tokens(), names)
    torch.testing.assert_close(acts[names[0]], acts[names[1]])


@pytest.mark.parametrize("architecture", RAW_PLACES)
@pytest.mark.parametrize("name", ["hook_resid_post", "mlp.hook_post", "attn.hook_z", "attn.hook_q"])
def test_putting_back_the_same_changes_no_logit_and_zeros_do(architecture, name, models):
    model, hook_name = models[architecture], f"blocks.{LAYER}.{name}"
    plain = model.logits(tokens())
    same = model.logits(tokens(), edit={hook_name: lambda acts: acts.clone()})
    torch.testing.assert_close(same, plain, atol=1e-4, rtol=1e-4)
    zeroed = model.logits(tokens(), edit={hook_name: torch.zeros_like})
    assert (zeroed - plain).abs().max() > 1e-2


@pytest.mark.parametrize("architecture", RAW_PLACES)
def test_an_edit_at_the_residual_stream_is_what_later_layers_see(architecture, models):
    model = models[architecture]
    acts = model.activations(tokens(), ["blocks.1.hook_resid_post"])["blocks.1.hook_resid_post"]
    others = tokens().flip(0)
    swapped = model.logits(others, edit={"blocks.1.hook_resid_post": lambda _: acts})
    torch.testing.assert_close(swapped, model.logits(tokens()), atol=1e-4, rtol=1e-4)


def test_an_unknown_hook_is_named_with_its_nearest(models):
    with pytest.raises(HookNotFound, match=r"'blocks.1.hook_resid_pots'.*'blocks.1.hook_resid_post'"):
        models["gpt2"].activations(tokens(), ["blocks.1.hook_resid_pots"])
    with pytest.raises(HookNotFound):
        models["gpt2"].logits(tokens(), edit={"blocks.9.hook_resid_post": torch.zeros_like})
    with pytest.raises(HookNotFound):
        models["gpt2"].hook_width("blocks.0.attn.hook_pattern")


def test_a_context_longer_than_the_models_is_refused(models):
    with pytest.raises(ContextTooLong, match=r"65 tokens.*n_ctx is 64"):
        models["gpt2"].activations(tokens(1, 65), ["blocks.1.hook_resid_post"])


def test_tokens_of_another_model_are_refused(models):
    with pytest.raises(LanguageModelError, match="tokenised for another model"):
        models["gpt2"].logits(torch.tensor([[5000]]))


@pytest.mark.parametrize("architecture", RAW_PLACES)
def test_listed_hooks_are_in_the_order_of_computation_and_have_widths(architecture, models):
    model = models[architecture]
    names = model.hook_names()
    assert names[0] == "hook_embed" and names[-1] == "ln_final.hook_normalized"
    assert {f"blocks.{layer}.hook_resid_post" for layer in range(3)} <= set(names)
    acts = model.activations(tokens(1, 4), names)
    assert {name: values.shape[-1] for name, values in acts.items()} == {name: model.hook_width(name) for name in names}
