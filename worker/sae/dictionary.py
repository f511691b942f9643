"""A dictionary in its one canonical form: anything that turns activations at a hook into feature activations."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from worker.sae.conventions import Conventions
from worker.sae.errors import DictionaryError
from worker.sae.jumprelu import jumprelu
from worker.sae.relu import relu
from worker.sae.topk import keep_top_k

Kind = Literal["relu", "topk", "jumprelu", "neurons", "pca", "random"]
KINDS: tuple[Kind, ...] = ("relu", "topk", "jumprelu", "neurons", "pca", "random")
THRESHOLD_KINDS = frozenset({"jumprelu", "neurons", "pca", "random"})


@dataclass(frozen=True, slots=True, eq=False)
class HarvestWeights:
    """What a one-pass harvest needs to encode and select outside torch: float32, C-contiguous.

    W_enc is None for neurons, whose pre-activations are the activations themselves.
    A feature fires where its pre-activation is strictly above `threshold` (zeros for relu and topk) and,
    where k is given, is among the token's k largest (ties to the lower index).
    """

    kind: Kind
    W_enc: NDArray[np.float32] | None
    b_enc: NDArray[np.float32]
    threshold: NDArray[np.float32]
    k: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Dictionary:
    """pre = acts W_enc + b_enc; a feature's activation is pre where it fires, else 0; recon = f W_dec + b_dec.

    A feature fires: relu, where pre > 0; jumprelu, where pre > threshold and pre > 0; topk, where pre is among
    the token's k largest and > 0 (ties to the lower index); neurons, pca, random, where pre > threshold.
    The subtraction of b_dec from the input, input scaling and the like are already folded into the weights.

    W_enc, W_dec: None means the identity (neurons). threshold: None where the kind has none.
    decoder_norms: norms of the decoder rows as stored in the file; in relu and jumprelu the rows here have norm 1.
    metadata: where the dictionary comes from; no part of its identity.
    hash: SHA-256 over the float32 weights, kind, k, hook, conventions and model. `to` keeps it.
    Raises DictionaryError where the parts do not fit each other.
    """

    kind: Kind
    d_in: int
    d_sae: int
    W_enc: Float[Tensor, "d_in d_sae"] | None
    b_enc: Float[Tensor, " d_sae"]
    W_dec: Float[Tensor, "d_sae d_in"] | None
    b_dec: Float[Tensor, " d_in"]
    hook_name: str
    model_name: str
    conventions: Conventions
    threshold: Float[Tensor, " d_sae"] | None = None
    k: int | None = None
    decoder_norms: Float[Tensor, " d_sae"] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    hash: str = field(init=False)

    def __post_init__(self) -> None:
        _check_rule(self)
        _check_shapes(self)
        _check_finite(self)
        object.__setattr__(self, "hash", _hash(self))

    @property
    def device(self) -> torch.device:
        return self.b_enc.device

    @property
    def dtype(self) -> torch.dtype:
        return self.b_enc.dtype

    def pre_acts(self, acts: Float[Tensor, "*token d_in"]) -> Float[Tensor, "*token d_sae"]:
        """Pre-activations in the dictionary's dtype. Raises DictionaryError where the width is not d_in."""
        if acts.shape[-1] != self.d_in:
            raise DictionaryError(
                f"The activations are {acts.shape[-1]} wide, but the dictionary at {self.hook_name!r} reads "
                f"{self.d_in}; it belongs to another hook or model."
            )
        acts = acts.to(self.dtype)
        return acts + self.b_enc if self.W_enc is None else acts @ self.W_enc + self.b_enc

    def fire(self, pre_acts: Float[Tensor, "*token d_sae"]) -> Float[Tensor, "*token d_sae"]:
        """Feature activations from pre-activations, by the firing rule of the kind."""
        if self.kind == "relu":
            return relu(pre_acts)
        if self.k is not None:
            return keep_top_k(pre_acts, self.k)
        return jumprelu(pre_acts, self.firing_threshold)

    def encode(self, acts: Float[Tensor, "*token d_in"]) -> Float[Tensor, "*token d_sae"]:
        """Feature activations, dense: positive where the feature fires, else 0."""
        return self.fire(self.pre_acts(acts))

    def decode(self, feature_acts: Float[Tensor, "*token d_sae"]) -> Float[Tensor, "*token d_in"]:
        """The reconstruction, in the units of the hook."""
        feature_acts = feature_acts.to(self.dtype)
        return (feature_acts if self.W_dec is None else feature_acts @ self.W_dec) + self.b_dec

    @property
    def firing_threshold(self) -> Float[Tensor, " d_sae"]:
        """A feature can only fire where its pre-activation is strictly above this; never negative."""
        return torch.zeros_like(self.b_enc) if self.threshold is None else self.threshold.clamp(min=0)

    def harvest_weights(self) -> HarvestWeights:
        """The arrays for encoding in numpy or compiled code; shares memory where it already fits."""
        return HarvestWeights(
            kind=self.kind,
            W_enc=None if self.W_enc is None else _array(self.W_enc),
            b_enc=_array(self.b_enc),
            threshold=_array(self.firing_threshold),
            k=self.k,
        )

    def decoder_direction(self, feature: int) -> Float[Tensor, " d_in"]:
        """What one unit of the feature writes to the hook. Raises DictionaryError where there is no such feature."""
        if not 0 <= feature < self.d_sae:
            raise DictionaryError(f"The dictionary has features 0 to {self.d_sae - 1}; there is no feature {feature}.")
        if self.W_dec is not None:
            return self.W_dec[feature]
        return torch.nn.functional.one_hot(torch.tensor(feature), self.d_in).to(self.b_enc)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Self:
        """A working copy elsewhere or in another precision. It keeps its identity, so its hash."""
        moved = {name: tensor.to(device=device, dtype=dtype) for name, tensor in _tensors(self).items()}
        if self.decoder_norms is not None:
            moved["decoder_norms"] = self.decoder_norms.to(device=device)
        copy = replace(self, **moved)
        object.__setattr__(copy, "hash", self.hash)
        return copy


def _tensors(dictionary: Dictionary) -> dict[str, Tensor]:
    names = ("W_enc", "b_enc", "W_dec", "b_dec", "threshold")
    return {name: tensor for name in names if (tensor := getattr(dictionary, name)) is not None}


def _check_rule(dictionary: Dictionary) -> None:
    kind = dictionary.kind
    if (dictionary.k is not None) != (kind == "topk"):
        raise DictionaryError(f"k is {dictionary.k} and the kind {kind!r}; a topk dictionary has k, no other does.")
    if dictionary.k is not None and not 1 <= dictionary.k <= dictionary.d_sae:
        raise DictionaryError(f"k is {dictionary.k}; with d_sae {dictionary.d_sae} it is 1 to {dictionary.d_sae}.")
    if (dictionary.threshold is not None) != (kind in THRESHOLD_KINDS):
        has = "no threshold" if dictionary.threshold is None else "a threshold"
        raise DictionaryError(
            f"A {kind} dictionary came with {has}; {', '.join(sorted(THRESHOLD_KINDS))} have one, no other does."
        )
    if kind != "neurons" and (dictionary.W_enc is None or dictionary.W_dec is None):
        raise DictionaryError(f"A {kind} dictionary needs W_enc and W_dec; only neurons are the identity.")


def _check_shapes(dictionary: Dictionary) -> None:
    d_in, d_sae = dictionary.d_in, dictionary.d_sae
    expected = {
        "W_enc": (d_in, d_sae),
        "b_enc": (d_sae,),
        "W_dec": (d_sae, d_in),
        "b_dec": (d_in,),
        "threshold": (d_sae,),
    }
    for name, tensor in _tensors(dictionary).items():
        if tuple(tensor.shape) != expected[name]:
            raise DictionaryError(
                f"{name} is {tuple(tensor.shape)}, but with d_in {d_in} and d_sae {d_sae} it is {expected[name]}."
            )
    if dictionary.kind == "neurons" and d_in != d_sae:
        raise DictionaryError(f"Neurons are the identity, so d_in {d_in} and d_sae {d_sae} have to be equal.")


def _check_finite(dictionary: Dictionary) -> None:
    for name, tensor in _tensors(dictionary).items():
        if not bool(torch.isfinite(tensor).all()):
            bad = int((~torch.isfinite(tensor)).sum())
            raise DictionaryError(f"{name} holds {bad} values that are NaN or infinite; the weights are damaged.")


def _hash(dictionary: Dictionary) -> str:
    described = {
        "kind": dictionary.kind,
        "k": dictionary.k,
        "shape": [dictionary.d_in, dictionary.d_sae],
        "hook_name": dictionary.hook_name,
        "model_name": dictionary.model_name,
        "conventions": dictionary.conventions.to_json(),
    }
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for name, tensor in _tensors(dictionary).items():
        digest.update(f"\n{name}\n".encode())
        digest.update(_array(tensor).astype("<f4", copy=False).data)
    return digest.hexdigest()


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(tensor.detach().to(device="cpu", dtype=torch.float32).numpy())
