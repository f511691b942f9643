"""The TopK activation: of each token's pre-activations the k largest pass, where they are above 0."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def keep_top_k(pre_acts: Float[Tensor, "*token d_sae"], k: int) -> Float[Tensor, "*token d_sae"]:
    """The k largest of each token, after ReLU, else 0; of equal values the lower index is kept.

    Fewer than k pass where fewer are above 0. k is 1 to d_sae.
    Source: Gao et al. 2024, "Scaling and evaluating sparse autoencoders", arXiv 2406.04093, section 2.3.
    """
    bar = torch.topk(pre_acts, k, dim=-1, sorted=True).values[..., -1:].clamp(min=0)
    kept = pre_acts > bar
    if bool((room := _room_at_bar(pre_acts, kept, bar, k)).any()):
        at_bar = pre_acts == bar
        kept |= at_bar & (at_bar.cumsum(-1) <= room)
    return torch.where(kept, pre_acts, torch.zeros_like(pre_acts))


def _room_at_bar(
    pre_acts: Float[Tensor, "*token d_sae"],
    kept: Bool[Tensor, "*token d_sae"],
    bar: Float[Tensor, "*token 1"],
    k: int,
) -> Tensor:
    """How many of the values equal to a positive bar still fit: at least the k-th largest itself."""
    return torch.where(bar > 0, k - kept.sum(-1, keepdim=True), 0)
