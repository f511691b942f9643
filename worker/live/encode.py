"""From activations at a hook to what fires, as the harvest's encoder does it: the same product, the same rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, Float32, Int32, Int64
from torch import Tensor

from worker.sae.selection import fires_plainly, margin_of, select_in_memory, select_plainly

TILE_BYTES = 64 * 2**20
# A block of features at a time: few enough to stay in the cache, enough to keep the product fast.
BLOCK_BYTES, LEAST_BLOCK = 8 * 2**20, 2048


class EncodingWeights(Protocol):
    """What encoding needs of a dictionary; W_enc None is the identity."""

    @property
    def W_enc(self) -> np.ndarray | None: ...
    @property
    def b_enc(self) -> np.ndarray: ...
    @property
    def threshold(self) -> np.ndarray: ...
    @property
    def k(self) -> int | None: ...


@dataclass(frozen=True, slots=True, eq=False)
class Fired:
    """Token t fires features[ends[t - 1]:ends[t]], ascending, from ends[-1] = 0.

    pre_acts, bars: of one feature at each token; empty where none was asked for.
    """

    ends: Int64[np.ndarray, " token"]
    features: Int32[np.ndarray, " firing"]
    activations: Float32[np.ndarray, " firing"]
    pre_acts: Float32[np.ndarray, " asked"]
    bars: Float32[np.ndarray, " asked"]


class LiveEncoder:
    """Encodes with one dictionary. dtype: of the product; bias and selection are float32."""

    def __init__(self, weights: EncodingWeights, *, dtype: torch.dtype, device: torch.device) -> None:
        self._rule: dict[str, np.ndarray] = {"bias": weights.b_enc, "threshold": weights.threshold}
        self._k = weights.k
        self.d_sae = len(weights.b_enc)
        self.dtype, self.device = dtype, device
        self._W_enc = None if weights.W_enc is None else torch.from_numpy(weights.W_enc).to(device, dtype)
        self._tile = max(16, TILE_BYTES // (4 * self.d_sae))

    @property
    def n_bytes(self) -> int:
        """Memory of the weights."""
        return 0 if self._W_enc is None else self._W_enc.numel() * self._W_enc.element_size()

    def fire(self, acts: Float[Tensor, "token d_in"], *, margins_of: int | None = None) -> Fired:
        """What fires on each token. margins_of: a feature whose pre-activations and bars are given too."""
        parts: list[tuple[np.ndarray, ...]] = []
        margins: list[tuple[np.ndarray, np.ndarray]] = []
        for start in range(0, len(acts), self._tile):
            tile = acts[start : start + self._tile].to(self.device, self.dtype)
            if margins_of is None:
                parts.append(self._by_blocks(tile))
            else:
                pre_acts = self._pre_acts(tile)
                parts.append(self._select(pre_acts, slice(None)))
                margins.append(margin_of(pre_acts, margins_of, **self._rule, k=self._k))
        lengths = [np.diff(ends, prepend=0) for ends, _, _ in parts]
        return Fired(
            ends=np.cumsum(np.concatenate([np.empty(0, np.int64), *lengths])),
            features=np.concatenate([np.empty(0, np.int32), *(features for _, features, _ in parts)]),
            activations=np.concatenate([np.empty(0, np.float32), *(values for _, _, values in parts)]),
            pre_acts=np.concatenate([np.empty(0, np.float32), *(own for own, _ in margins)]),
            bars=np.concatenate([np.empty(0, np.float32), *(bar for _, bar in margins)]),
        )

    def acts_of(self, acts: Float[Tensor, "token d_in"], features: Sequence[int]) -> Float[Tensor, "token asked"]:
        """The activations of some features on each token, 0 where they do not fire; float32."""
        bias, threshold, k = self._rule["bias"], self._rule["threshold"], self._k
        asked = np.asarray(features, dtype=np.int64)
        if k is None:
            values = self._pre_acts_of(acts, asked).float() + torch.from_numpy(bias[asked]).to(self.device)
            return torch.where(values > torch.from_numpy(threshold[asked]).to(self.device), values, 0.0)
        parts = []
        for start in range(0, len(acts), self._tile):
            values = self._pre_acts(acts[start : start + self._tile]).float() + torch.from_numpy(bias).to(self.device)
            fires = fires_plainly(values, threshold=threshold, k=k)
            parts.append(torch.where(fires, values, 0.0)[:, torch.from_numpy(asked).to(self.device)])
        return torch.cat(parts)

    def _pre_acts_of(self, acts: Float[Tensor, "token d_in"], features: np.ndarray) -> Float[Tensor, "token asked"]:
        """Pre-activations of some features, without the bias."""
        columns = torch.from_numpy(features).to(self.device)
        acts = acts.to(self.device, self.dtype)
        return acts[:, columns] if self._W_enc is None else acts @ self._W_enc[:, columns]

    def _pre_acts(self, acts: Float[Tensor, "tile d_in"]) -> Float[Tensor, "tile d_sae"]:
        """Pre-activations without the bias."""
        acts = acts.to(self.device, self.dtype)
        return acts if self._W_enc is None else acts @ self._W_enc

    def _by_blocks(self, acts: Float[Tensor, "tile d_in"]) -> tuple[np.ndarray, ...]:
        """Selected a block of features at a time, which stays in the cache, where that is possible."""
        width = max(LEAST_BLOCK, BLOCK_BYTES // (4 * max(1, len(acts))))
        if self._W_enc is None or self._k is not None or self.device.type != "cpu" or width >= self.d_sae:
            return self._select(self._pre_acts(acts), slice(None))
        buffer = torch.empty(len(acts) * width, dtype=self.dtype)
        parts = []
        for first in range(0, self.d_sae, width):
            weights = self._W_enc[:, first : first + width]
            shape = (len(acts), weights.shape[1])
            pre_acts = torch.mm(acts, weights, out=buffer[: shape[0] * shape[1]].view(shape))
            ends, features, values = self._select(pre_acts, slice(first, first + width))
            parts.append((np.diff(ends, prepend=0), features + np.int32(first), values))
        return _side_by_side(parts)

    def _select(self, pre_acts: Float[Tensor, "tile width"], features: slice) -> tuple[np.ndarray, ...]:
        select = select_in_memory if self.device.type == "cpu" else select_plainly
        return select(pre_acts, **{name: values[features] for name, values in self._rule.items()}, k=self._k)


def _side_by_side(parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> tuple[np.ndarray, ...]:
    """Firings of blocks of features, by token. parts: of each block how many each token has, features, activations."""
    lengths = np.stack([each for each, _, _ in parts])
    rows = np.concatenate([np.repeat(np.arange(len(each), dtype=np.uint32), each) for each, _, _ in parts])
    order = np.argsort(rows, kind="stable")
    features, values = (np.concatenate([each[place] for each in parts])[order] for place in (1, 2))
    return np.cumsum(lengths.sum(0)), features, values
