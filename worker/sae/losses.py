"""What a dictionary in training is punished for; every term is a mean over tokens."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def squared_error(acts: Float[Tensor, "token d_in"], recon: Float[Tensor, "token d_in"]) -> Float[Tensor, ""]:
    """Squared error summed over the width, mean over tokens."""
    return ((recon - acts) ** 2).sum(-1).mean()


def decoder_weighted_l1(
    feature_acts: Float[Tensor, "token d_sae"], W_dec: Float[Tensor, "d_sae d_in"]
) -> Float[Tensor, ""]:
    """Sum of activations, each times the norm of its decoder row, mean over tokens.

    With the norm in it, shrinking activations by growing the decoder gains nothing.
    Source: Anthropic, "Circuits Updates", April 2024, "Update on how we train SAEs".
    """
    return (feature_acts @ W_dec.norm(dim=-1)).mean()


def auxk_codes(
    pre_acts: Float[Tensor, "token d_sae"], dead: Int[Tensor, " n_dead"], k_aux: int
) -> Float[Tensor, "token n_dead"]:
    """Each token's k_aux largest activations among the dead features, after ReLU; the rest 0."""
    of_dead = torch.relu(pre_acts[:, dead])
    if k_aux >= len(dead):
        return of_dead
    bar = torch.topk(of_dead, k_aux, dim=-1).values[:, -1:]
    return torch.where(of_dead >= bar, of_dead, 0)


def auxk(residual: Float[Tensor, "token d_in"], aux_recon: Float[Tensor, "token d_in"]) -> Float[Tensor, ""]:
    """How badly dead features explain what the live ones leave over, as a share of the residual's variance.

    residual: acts - recon, detached. 0 where there is no residual.
    Source: Gao et al. 2024, arXiv 2406.04093, appendix A.2.
    """
    spread = ((residual - residual.mean(0)) ** 2).sum()
    return ((aux_recon - residual) ** 2).sum() / spread if bool(spread > 0) else aux_recon.sum() * 0
