"""From activations at a hook to the firings of a dictionary, a tile of tokens at a time.

A tile's product goes to a buffer that is used again and again and stays in the cache; compiled code
reads it once. On an accelerator torch selects there, and only what fires comes over.
"""

from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from worker.harvest.firings import TokenRows
from worker.harvest.nonzeros import bars_of, fire_above_threshold, fire_top_k
from worker.harvest.threads import Threads

TILE_BYTES = 32 * 2**20


class HarvestWeights(Protocol):
    """What selecting needs of a dictionary's weights; W_enc None is the identity."""

    @property
    def W_enc(self) -> np.ndarray | None: ...
    @property
    def b_enc(self) -> np.ndarray: ...
    @property
    def threshold(self) -> np.ndarray: ...
    @property
    def k(self) -> int | None: ...


class Encoder:
    """Encodes with one dictionary. dtype: of the product; bias and selection are float32.

    A feature fires where its pre-activation is strictly above its threshold; where k is given, where
    it is above 0 and among the token's k largest, ties to the lower index.
    """

    def __init__(self, weights: HarvestWeights, *, dtype: torch.dtype, device: torch.device) -> None:
        self.k = weights.k
        self.bias, self.threshold = weights.b_enc, weights.threshold
        self._rule = (self.bias, self.threshold, bars_of(self.bias, self.threshold))
        self.d_sae = len(self.bias)
        self.device, self.dtype = device, dtype
        self._W_enc = None if weights.W_enc is None else torch.from_numpy(weights.W_enc).to(device, dtype)
        self._tile = max(16, TILE_BYTES // (self.d_sae * dtype.itemsize))
        self._buffer = torch.empty(0 if self._W_enc is None else self._tile, self.d_sae, device=device, dtype=dtype)

    def fire(self, acts: Float[Tensor, "kept d_in"], threads: Threads) -> TokenRows:
        """Firings of each token."""
        tiles = [acts[start : start + self._tile] for start in range(0, len(acts), self._tile)]
        select = self._select_compiled if self.device.type == "cpu" else self._select_torch
        parts = [part for tile in tiles for part in select(self._pre_acts(tile), threads)]
        if not parts:
            return TokenRows(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.float32))
        lengths = np.concatenate([np.diff(ends, prepend=0) for ends, _, _ in parts])
        return TokenRows(
            np.cumsum(lengths),
            np.concatenate([features for _, features, _ in parts]),
            np.concatenate([activations for _, _, activations in parts]),
        )

    def _pre_acts(self, acts: Float[Tensor, "tile d_in"]) -> Float[Tensor, "tile d_sae"]:
        """Pre-activations without the bias."""
        acts = acts.to(self.device, self.dtype)
        if self._W_enc is None:
            return acts.contiguous()
        return torch.mm(acts, self._W_enc, out=self._buffer[: len(acts)])

    def _select_compiled(self, pre_acts: Float[Tensor, "tile d_sae"], threads: Threads) -> list[tuple]:
        if pre_acts.dtype == torch.bfloat16:
            bits, scale = pre_acts.view(torch.uint16).numpy(), np.uint32(65_536)
        else:
            bits, scale = pre_acts.float().view(torch.uint32).numpy(), np.uint32(1)

        def select(_: int, start: int, stop: int) -> list[tuple]:
            return self._select_rows(bits[start:stop], scale)

        return [part for parts in threads.over(len(bits), select) for part in parts]

    def _select_rows(self, bits: np.ndarray, scale: np.uint32) -> list[tuple]:
        """Selected rows, in as many pieces as the outputs had to be emptied."""
        parts = []
        room = self.d_sae * max(2, len(bits) // 32)
        while len(bits):
            ends = np.empty(len(bits), np.int64)
            features, activations = np.empty(room, np.int32), np.empty(room, np.float32)
            if self.k is None:
                done = fire_above_threshold(bits, scale, self._rule, ends, features, activations)
            else:
                done = fire_top_k(bits, scale, self.bias, self.k, ends, features, activations)
            n = ends[done - 1]
            parts.append((ends[:done], features[:n].copy(), activations[:n].copy()))
            bits = bits[done:]
        return parts

    def _select_torch(self, pre_acts: Float[Tensor, "tile d_sae"], threads: Threads) -> list[tuple]:
        """The plain way, with the same answer; `threads` is not needed."""
        return [select_plainly(pre_acts, bias=self.bias, threshold=self.threshold, k=self.k)]


def select_plainly(
    pre_acts: Float[Tensor, "tile d_sae"], *, bias: np.ndarray, threshold: np.ndarray, k: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row ends, features and activations of what fires, by torch alone, on the device of pre_acts."""
    values = pre_acts.float() + torch.from_numpy(bias).to(pre_acts.device)
    fires = values > torch.from_numpy(threshold).to(pre_acts.device)
    if k is not None:
        bar = torch.topk(values, k, dim=-1).values[:, -1:]
        above = values > bar
        at_bar = values == bar
        fires &= above | (at_bar & (at_bar.cumsum(-1) <= k - above.sum(-1, keepdim=True)))
    ends = fires.sum(-1).cumsum(0).cpu().numpy().astype(np.int64)
    features = fires.nonzero()[:, 1].to(torch.int32).cpu().numpy()
    return ends, features, values[fires].cpu().numpy()
