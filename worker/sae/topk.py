"""The TopK activation: of each token's pre-activations the k largest pass, where they are above 0."""

import torch
from jaxtyping import Float
from torch import Tensor


def keep_top_k(pre_acts: Float[Tensor, "*token d_sae"], k: int) -> Float[Tensor, "*token d_sae"]:
    """The k largest of each token, after ReLU, else 0; of equal values the lower index is kept.

    Fewer than k pass where fewer are above 0. k is 1 to d_sae.
    Source: Gao et al. 2024, "Scaling and evaluating sparse autoencoders", arXiv 2406.04093, section 2.3.
    """
    bar = torch.topk(pre_acts, k, dim=-1).values.amin(-1, keepdim=True)
    kept = (pre_acts >= bar) & (pre_acts > 0)
    if bool((kept.sum(-1) > k).any()):
        above = pre_acts > bar
        room = k - above.sum(-1, keepdim=True)
        at_bar = kept & ~above
        kept &= above | (at_bar.cumsum(-1) <= room)
    return torch.where(kept, pre_acts, torch.zeros_like(pre_acts))
