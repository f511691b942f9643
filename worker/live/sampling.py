"""Choosing the next token: the same chance for every text that is written beside another."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Sampling:
    """temperature: 0 takes the likeliest. top_k: of so many likeliest, 0 of all. top_p: of the likeliest that make up
    this share of the probability, at least one. seed: same seed, same text.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0


def choose(logits: Float[Tensor, "text d_vocab"], sampling: Sampling, *, step: int) -> list[int]:
    """The next token of each text.

    Texts share the noise of a step (the Gumbel-max trick), which comes of the seed and the step alone: texts whose
    distributions are the same get the same token, and those whose are nearly the same mostly do.
    """
    if sampling.temperature == 0:
        return logits.argmax(-1).tolist()
    # Taken from the greatest first, so that a temperature near 0 makes no two of them infinite.
    below = logits.float() - logits.float().amax(-1, keepdim=True)
    scaled = _only_likely(below / sampling.temperature, sampling)
    noise = np.random.default_rng([sampling.seed, step]).gumbel(size=logits.shape[1])
    return (scaled + torch.from_numpy(noise.astype(np.float32)).to(scaled.device)).argmax(-1).tolist()


def _only_likely(logits: Float[Tensor, "text d_vocab"], sampling: Sampling) -> Float[Tensor, "text d_vocab"]:
    """Everything that may not be chosen at minus infinity; of ties at the edge the lower ids stay."""
    n_vocab = logits.shape[-1]
    if (sampling.top_k == 0 or sampling.top_k >= n_vocab) and sampling.top_p >= 1:
        return logits
    ordered, order = torch.sort(logits, dim=-1, descending=True, stable=True)
    rank = torch.arange(n_vocab, device=logits.device)
    keep = rank < (sampling.top_k or n_vocab)
    probabilities = torch.where(keep, ordered, -torch.inf).softmax(-1)
    keep = keep & (probabilities.cumsum(-1) - probabilities < sampling.top_p)
    keep[:, 0] = True
    return torch.full_like(logits, -torch.inf).scatter(-1, order, torch.where(keep, ordered, -torch.inf))
