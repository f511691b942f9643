"""The straight way from a direction at a hook to the output logits."""

import re
from collections.abc import Collection
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformer_lens.model_bridge import TransformerBridge
from transformers.pytorch_utils import Conv1D

_RESIDUAL = re.compile(r"hook_embed|blocks\.\d+\.hook_(in|out|resid_pre|resid_mid|resid_post|attn_out|mlp_out)")
_WRITERS = re.compile(r"blocks\.(\d+)\.(mlp\.hook_post|mlp\.out\.hook_in|attn\.hook_z|attn\.o\.hook_in)")
_POST_NORMS = {"mlp": "ln2_post", "attn": "ln1_post"}


@dataclass(frozen=True, slots=True, eq=False)
class LogitPath:
    """How a direction at a hook changes the logits directly, later layers left out; all float32.

    to_residual: (d_hook, d_model), None where the hook is on the residual stream already.
    W_U, b_U: the unembedding. final_norm_scale: the final norm's gain, None where there is no final norm.
    final_norm_centres: the final norm takes the mean over d_model off first (LayerNorm does, RMSNorm does not).
    final_norm_bias: what the final norm adds at last; zeros where it adds nothing.
    """

    to_residual: Float[Tensor, "d_hook d_model"] | None
    W_U: Float[Tensor, "d_model d_vocab"]
    final_norm_scale: Float[Tensor, " d_model"] | None
    final_norm_centres: bool
    final_norm_bias: Float[Tensor, " d_model"]
    b_U: Float[Tensor, " d_vocab"]


@dataclass(frozen=True, slots=True, eq=False)
class LastPass:
    """What one forward pass held at a hook and at its end; all float32.

    resid: the residual stream as the final norm reads it. normed: what the unembedding reads.
    """

    acts: Float[Tensor, "context token d_hook"]
    resid: Float[Tensor, "context token d_model"]
    normed: Float[Tensor, "context token d_model"]
    logits: Float[Tensor, "context token d_vocab"]


def last_hooks(known: Collection[str]) -> tuple[str, str]:
    """The names of the hooks before and after the final norm; one and the same where there is none."""
    if "ln_final.hook_in" in known:
        return "ln_final.hook_in", "ln_final.hook_out"
    return "unembed.hook_in", "unembed.hook_in"


def find_logit_path(bridge: TransformerBridge, hook_name: str) -> LogitPath | None:
    """None where no fixed matrix carries the hook to the residual stream (before a nonlinearity, say)."""
    to_residual = None
    if not _RESIDUAL.fullmatch(hook_name):
        to_residual = _write_matrix(bridge, hook_name)
        if to_residual is None:
            return None
    W_U = bridge.unembed.W_U.detach().float()
    scale, centres, bias = _final_norm(bridge, W_U)
    return LogitPath(to_residual, W_U, scale, centres, bias, _unembedding_bias(bridge, W_U))


def _write_matrix(bridge: TransformerBridge, hook_name: str) -> Tensor | None:
    """W_out or W_O of the hook's block; None where a norm or a router stands between it and the stream."""
    match = _WRITERS.fullmatch(hook_name)
    if match is None:
        return None
    block, part = bridge.blocks[int(match[1])], match[2].split(".")[0]
    if part not in block._modules or _POST_NORMS[part] in block._modules:
        return None
    writer = block._modules[part]._modules.get("out" if part == "mlp" else "o")
    inner = getattr(writer, "original_component", None)
    if not isinstance(inner, nn.Linear | Conv1D):
        return None
    weight = inner.weight.detach().float()
    matrix = weight if isinstance(inner, Conv1D) else weight.T
    return matrix * getattr(block, "residual_contribution_scale", 1.0)


def _unembedding_bias(bridge: TransformerBridge, W_U: Tensor) -> Tensor:
    bias = getattr(bridge.unembed, "b_U", None)
    return W_U.new_zeros(W_U.shape[1]) if bias is None else bias.detach().float().to(W_U.device)


def _final_norm(bridge: TransformerBridge, W_U: Tensor) -> tuple[Tensor | None, bool, Tensor]:
    """Gain, whether it centres, and bias, as the norm itself shows them, so that no kind of norm needs a case.

    A row of alternating +1 and -1 has mean 0 and mean square 1, so the norm gives back gain and bias alone.
    """
    norm = bridge._modules.get("ln_final")
    if norm is None:
        return None, False, W_U.new_zeros(len(W_U))
    parameter = next(bridge.original_model.parameters())
    signs = torch.ones(len(W_U), device=parameter.device, dtype=parameter.dtype)
    signs[1::2] = -1
    with torch.no_grad():
        plus, minus, lifted = norm(torch.stack([signs, -signs, signs + 1])[None])[0].float()
    centres = torch.allclose(lifted, plus, rtol=0.05, atol=0.05)
    return (plus - minus) / 2 * signs.float(), centres, (plus + minus) / 2
