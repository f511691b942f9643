"""Bases as dictionaries: the neurons themselves, principal components, and random directions.

A basis has no zeros, so each feature fires above a threshold of its own, set on a pilot sample to a stated
density. Neurons have one feature each, their positive side; PCA and random directions two, +v and -v.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from worker.sae.conventions import Conventions
from worker.sae.dictionary import Dictionary, Kind
from worker.sae.errors import DictionaryError

DEFAULT_DENSITY = 0.01
TILE = 1024


def neurons(
    acts_pilot: Float[Tensor, "token d_in"],
    *,
    hook_name: str,
    model_name: str,
    conventions: Conventions,
    density: float = DEFAULT_DENSITY,
) -> Dictionary:
    """One feature a neuron. acts_pilot: a seeded sample of activations, special tokens left out."""
    d_in = acts_pilot.shape[-1]
    basis = Dictionary(
        kind="neurons",
        d_in=d_in,
        d_sae=d_in,
        W_enc=None,
        b_enc=torch.zeros(d_in),
        W_dec=None,
        b_dec=torch.zeros(d_in),
        hook_name=hook_name,
        model_name=model_name,
        conventions=conventions,
        threshold=torch.zeros(d_in),
        metadata={"density": density, "pilot_tokens": len(acts_pilot)},
    )
    return set_thresholds(basis, acts_pilot, density=density)


def principal_components(
    acts_pilot: Float[Tensor, "token d_in"],
    *,
    hook_name: str,
    model_name: str,
    conventions: Conventions,
    density: float = DEFAULT_DENSITY,
    n_components: int | None = None,
) -> Dictionary:
    """Directions of greatest variance about the pilot's mean: feature 2i is +v of component i, 2i + 1 is -v.

    The sign of v is chosen so that its largest entry is positive, so that the same pilot gives the same features.
    Raises DictionaryError on fewer than two tokens.
    """
    if len(acts_pilot) < 2:
        raise DictionaryError(f"Principal components need at least two tokens; the pilot sample has {len(acts_pilot)}.")
    mean, covariance = mean_and_covariance(acts_pilot)
    vectors = torch.linalg.eigh(covariance).eigenvectors.flip(-1).T[:n_components]
    signs = torch.gather(vectors, 1, vectors.abs().argmax(1, keepdim=True)).sign()
    basis = _both_signs(
        "pca", (vectors * signs).float(), mean.float(), hook_name, model_name=model_name, conventions=conventions
    )
    return set_thresholds(_noted(basis, acts_pilot, density), acts_pilot, density=density)


def random_directions(
    acts_pilot: Float[Tensor, "token d_in"],
    *,
    n_directions: int,
    seed: int,
    hook_name: str,
    model_name: str,
    conventions: Conventions,
    density: float = DEFAULT_DENSITY,
) -> Dictionary:
    """Directions uniform on the sphere, about the pilot's mean: 2i is +v of direction i, 2i + 1 is -v."""
    d_in = acts_pilot.shape[-1]
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.nn.functional.normalize(torch.randn(n_directions, d_in, generator=generator), dim=-1)
    mean = acts_pilot.double().mean(0).float()
    basis = _both_signs("random", vectors, mean, hook_name, model_name=model_name, conventions=conventions)
    basis = _noted(basis, acts_pilot, density, seed=seed)
    return set_thresholds(basis, acts_pilot, density=density)


def set_thresholds(
    dictionary: Dictionary, acts_pilot: Float[Tensor, "token d_in"], density: float = DEFAULT_DENSITY
) -> Dictionary:
    """Thresholds such that on the pilot each feature fires on at most `density` of the tokens.

    Exactly floor(density * tokens) of them where no pre-activations tie at the threshold; never below 0, so a
    feature that is seldom positive fires less often.
    Raises DictionaryError for a dictionary whose kind has no thresholds to set, an empty pilot, or a density
    outside 0 to 1.
    """
    if dictionary.threshold is None:
        raise DictionaryError(f"A {dictionary.kind} dictionary has no thresholds to set; bases have.")
    if not 0 < density < 1:
        raise DictionaryError(f"The density is {density}; it lies between 0 and 1.")
    if not len(acts_pilot):
        raise DictionaryError("The pilot sample has no tokens; give it more text.")
    rank = int(density * len(acts_pilot))
    tiles = [_quantiles(dictionary, acts_pilot, start, rank) for start in range(0, dictionary.d_sae, TILE)]
    return replace(dictionary, threshold=torch.cat(tiles).clamp(min=0))


def mean_and_covariance(
    acts: Float[Tensor, "token d_in"],
) -> tuple[Float[Tensor, " d_in"], Float[Tensor, "d_in d_in"]]:
    """Both in float64, over the tokens given; the covariance divides by their number."""
    exact = acts.double()
    mean = exact.mean(0)
    centred = exact - mean
    return mean, centred.T @ centred / len(acts)


def _quantiles(dictionary: Dictionary, acts: Tensor, start: int, rank: int) -> Float[Tensor, " tile"]:
    """The (rank + 1)-th largest pre-activation of a tile of features: `rank` tokens lie strictly above it."""
    tile = slice(start, start + TILE)
    if dictionary.W_enc is None:
        pre_acts = acts[:, tile] + dictionary.b_enc[tile]
    else:
        pre_acts = acts @ dictionary.W_enc[:, tile] + dictionary.b_enc[tile]
    return torch.topk(pre_acts.T, rank + 1, dim=-1).values[:, -1]


def _both_signs(
    kind: Kind,
    vectors: Float[Tensor, "n d_in"],
    mean: Float[Tensor, " d_in"],
    hook_name: str,
    *,
    model_name: str,
    conventions: Conventions,
) -> Dictionary:
    W_dec = torch.stack([vectors, -vectors], dim=1).flatten(0, 1).contiguous()
    d_sae, d_in = W_dec.shape
    return Dictionary(
        kind=kind,
        d_in=d_in,
        d_sae=d_sae,
        W_enc=W_dec.T.contiguous(),
        b_enc=-(W_dec.double() @ mean.double()).float(),
        W_dec=W_dec,
        b_dec=mean,
        hook_name=hook_name,
        model_name=model_name,
        conventions=conventions,
        threshold=torch.zeros(d_sae),
        decoder_norms=torch.ones(d_sae),
    )


def _noted(dictionary: Dictionary, acts_pilot: Tensor, density: float, **more: int) -> Dictionary:
    return replace(dictionary, metadata={"density": density, "pilot_tokens": len(acts_pilot), **more})
