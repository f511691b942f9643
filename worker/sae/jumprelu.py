"""The JumpReLU activation: a feature passes unchanged where it is above its own threshold, else is 0."""

import torch
from jaxtyping import Float
from torch import Tensor


def jumprelu(
    pre_acts: Float[Tensor, "*token d_sae"], threshold: Float[Tensor, " d_sae"]
) -> Float[Tensor, "*token d_sae"]:
    """pre where pre > threshold and pre > 0, else 0; both comparisons are strict.

    Source: Rajamanoharan et al. 2024, "Jumping Ahead", arXiv 2407.14435, equation 3.
    """
    return torch.where(pre_acts > threshold, pre_acts, torch.zeros_like(pre_acts)).relu()
