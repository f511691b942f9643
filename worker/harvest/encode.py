"""From activations at a hook to the firings of a dictionary, a tile of tokens and features at a time.

A tile's product goes to a buffer that is used again and again and stays in the cache; compiled code
reads it once. On an accelerator torch selects there, and only what fires comes over.
"""

from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from worker.harvest.firings import TokenRows, join_blocks
from worker.harvest.nonzeros import fire_above_threshold, keep_top_k
from worker.harvest.threads import Threads
from worker.sae.selection import select_plainly

TILE_BYTES = 32 * 2**20
# A product lays out the weights anew, so that tiles of many tokens and few features take the least time. The k best are
# carried from tile to tile, which wants few tiles.
_TILE_FEATURES, _TILE_FEATURES_OF_TOP_K = 2048, 8192


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
        self.d_sae = len(self.bias)
        self.device, self.dtype = device, dtype
        is_tiled = weights.W_enc is not None and device.type == "cpu"
        widest = _TILE_FEATURES if self.k is None else _TILE_FEATURES_OF_TOP_K
        self._width = min(self.d_sae, widest) if is_tiled else self.d_sae
        self._tile = max(16, TILE_BYTES // (self._width * dtype.itemsize))
        self._W_enc = None if weights.W_enc is None else self._blocks(torch.from_numpy(weights.W_enc))
        size = 0 if self._W_enc is None else self._tile * self._width
        self._buffer = torch.empty(size, device=device, dtype=dtype)

    def fire(self, acts: Float[Tensor, "kept d_in"], threads: Threads) -> TokenRows:
        """Firings of each token."""
        tiles = [acts[start : start + self._tile] for start in range(0, len(acts), self._tile)]
        fire = self._fire_compiled if self.device.type == "cpu" else self._fire_plainly
        parts = [fire(tile.to(self.device, self.dtype), threads) for tile in tiles]
        return _one_after_another(parts)

    def _blocks(self, W_enc: Float[Tensor, "d_in d_sae"]) -> list[Float[Tensor, "d_in block"]]:
        """The weights in the product's dtype, in blocks of features: views where they have it already."""
        moved = W_enc.to(self.device, self.dtype).split(self._width, dim=1)
        return [block if block.dtype == torch.float32 else block.contiguous() for block in moved]

    def _pre_acts(self, acts: Float[Tensor, "tile d_in"], block: int) -> Float[Tensor, "tile width"]:
        """Pre-activations of a block of features, without the bias."""
        if self._W_enc is None:
            return acts.contiguous()
        weights = self._W_enc[block]
        shape = (len(acts), weights.shape[1])
        return torch.mm(acts, weights, out=self._buffer[: shape[0] * shape[1]].view(shape))

    def _fire_compiled(self, acts: Float[Tensor, "tile d_in"], threads: Threads) -> TokenRows:
        starts = range(0, self.d_sae, self._width)
        if self.k is not None:
            return self._fire_top_k(acts, starts, self.k, threads)
        blocks = [
            self._fire_above(_readable(self._pre_acts(acts, n)), first, threads) for n, first in enumerate(starts)
        ]
        return blocks[0] if len(blocks) == 1 else join_blocks(blocks, threads)

    def _fire_above(self, pre_acts: np.ndarray, first: int, threads: Threads) -> TokenRows:
        """What lies above its threshold in the block that begins with feature `first`."""
        features = slice(first, first + pre_acts.shape[1])
        bias, threshold = self.bias[features], self.threshold[features]
        # One number for all spares the kernel the reading of an array.
        bar = threshold[0] if bool((threshold == threshold[0]).all()) else threshold

        def select(_: int, start: int, stop: int) -> list[TokenRows]:
            return _select(pre_acts[start:stop], bias, bar)

        found = _one_after_another([part for parts in threads.over(len(pre_acts), select) for part in parts])
        np.add(found.features, np.int32(first), out=found.features)
        return found

    def _fire_top_k(self, acts: Float[Tensor, "tile d_in"], starts: range, k: int, threads: Threads) -> TokenRows:
        best = np.empty((len(acts), k), np.int32), np.empty((len(acts), k), np.float32)
        n_best = np.zeros(len(acts), np.int64)
        for block, first in enumerate(starts):
            pre_acts = _readable(self._pre_acts(acts, block))
            bias = self.bias[first : first + pre_acts.shape[1]]

            def compete(_: int, start: int, stop: int, pre_acts=pre_acts, bias=bias, first=first) -> None:
                rows = slice(start, stop)
                keep_top_k(pre_acts[rows], bias, first, (best[0][rows], best[1][rows]), n_best[rows])

            threads.over(len(acts), compete)
        kept = np.arange(k) < n_best[:, None]
        return TokenRows(np.cumsum(n_best), best[0][kept], best[1][kept])

    def _fire_plainly(self, acts: Float[Tensor, "tile d_in"], threads: Threads) -> TokenRows:
        """The plain way, with the same answer; `threads` is not needed."""
        pre_acts = self._pre_acts(acts, 0)
        return TokenRows(*select_plainly(pre_acts, bias=self.bias, threshold=self.threshold, k=self.k))


def _readable(pre_acts: Float[Tensor, "tile width"]) -> np.ndarray:
    """As kernels read them: float32, or the bits of bfloat16."""
    return pre_acts.view(torch.uint16).numpy() if pre_acts.dtype == torch.bfloat16 else pre_acts.float().numpy()


def _select(pre_acts: np.ndarray, bias: np.ndarray, bar: np.ndarray | np.float32) -> list[TokenRows]:
    """Selected rows, in as many pieces as the outputs had to be emptied."""
    parts = []
    room = pre_acts.shape[1] * max(2, len(pre_acts) // 32)
    while len(pre_acts):
        ends = np.empty(len(pre_acts), np.int64)
        features, activations = np.empty(room, np.int32), np.empty(room, np.float32)
        done = fire_above_threshold(pre_acts, bias, bar, ends, features, activations)
        n = ends[done - 1]
        parts.append(TokenRows(ends[:done], features[:n].copy(), activations[:n].copy()))
        pre_acts = pre_acts[done:]
    return parts


def _one_after_another(parts: list[TokenRows]) -> TokenRows:
    """Tokens of several, those of the first first."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return TokenRows(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.float32))
    lengths = np.concatenate([np.diff(part.ends, prepend=0) for part in parts])
    return TokenRows(
        np.cumsum(lengths),
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.activations for part in parts]),
    )
