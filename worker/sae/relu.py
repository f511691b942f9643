"""The ReLU activation of a dictionary: a feature fires where its pre-activation is above 0."""

import torch
from jaxtyping import Float
from torch import Tensor


def relu(pre_acts: Float[Tensor, "*token d_sae"]) -> Float[Tensor, "*token d_sae"]:
    """max(pre, 0). Source: Bricken et al. 2023, "Towards Monosemanticity"."""
    return torch.relu(pre_acts)
