"""Mixes activations of many contexts, so that a batch is not a few documents' neighbouring tokens."""

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from worker.train.errors import TrainingError

Block = Mapping[str, Float[Tensor, "token d"]]


class ActivationBuffer:
    """Holds `capacity` tokens' activations, at one or more hooks, as float32, and serves them shuffled.

    When half have been served, the places of those are refilled from the blocks and all is shuffled anew; so what a
    batch holds was read over about `capacity` tokens. Each token is served at most once. At every hook row i belongs
    to the same token. When the blocks end, what is left is served; the last, incomplete batch is not.
    """

    def __init__(self, blocks: Iterator[Block], *, capacity: int, batch_size: int, seed: int) -> None:
        self._blocks = blocks
        self._capacity = capacity
        self._batch_size = batch_size
        self._generator = torch.Generator().manual_seed(seed)
        self._rows: dict[str, Tensor] = {}
        self._left_over: dict[str, Tensor] = {}
        self._order = torch.empty(0, dtype=torch.int64)
        self._served = 0
        self.blocks_read = 0

    def __iter__(self) -> Iterator[dict[str, Float[Tensor, "batch d"]]]:
        """Batches by hook, until the blocks end."""
        while (batch := self._next_batch()) is not None:
            yield batch

    def pilot(self, n_tokens: int) -> dict[str, Float[Tensor, "token d"]]:
        """A shuffled sample of what will be served first; serves nothing.

        Raises TrainingError where the blocks hold no token at all.
        """
        if not self._rows:
            self._refill()
        if not len(self._order):
            raise TrainingError("The corpus gave no activations; it has no text tokens to train on.")
        chosen = self._order[self._served : self._served + n_tokens]
        return {hook: rows[chosen.to(rows.device)] for hook, rows in self._rows.items()}

    def state(self) -> dict[str, Tensor]:
        """Everything needed to go on exactly from here, given the blocks after `blocks_read`."""
        state = {f"rows.{hook}": rows for hook, rows in self._rows.items()}
        state |= {f"left_over.{hook}": rows for hook, rows in self._left_over.items()}
        counts = torch.tensor([self._served, self.blocks_read])
        return {**state, "order": self._order, "counts": counts, "generator": self._generator.get_state()}

    def load_state(self, state: Mapping[str, Tensor], device: torch.device | str = "cpu") -> None:
        """Takes up a saved state; the blocks given to the constructor have to start after its `blocks_read`."""
        self._rows = _with_prefix(state, "rows.", device)
        self._left_over = _with_prefix(state, "left_over.", device)
        self._order = state["order"]
        self._served, self.blocks_read = (int(count) for count in state["counts"])
        self._generator.set_state(state["generator"])

    def _next_batch(self) -> dict[str, Tensor] | None:
        if self._served + self._batch_size > len(self._order) // 2:
            self._refill()
        if self._served + self._batch_size > len(self._order):
            return None
        chosen = self._order[self._served : self._served + self._batch_size]
        self._served += self._batch_size
        return {hook: rows[chosen.to(rows.device)] for hook, rows in self._rows.items()}

    def _refill(self) -> None:
        """Fills the places that are free, and shuffles what is in the buffer then."""
        is_free = torch.ones(self._capacity, dtype=torch.bool)
        is_free[self._order[self._served :]] = False
        free = is_free.nonzero().flatten()
        filled = 0
        while filled < len(free):
            block = self._left_over or self._next_block()
            if block is None:
                break
            taken = min(_length(block), len(free) - filled)
            self._put(block, free[filled : filled + taken], taken)
            filled += taken
        waiting = torch.cat([self._order[self._served :], free[:filled]])
        if filled or not len(self._order):
            waiting = waiting[torch.randperm(len(waiting), generator=self._generator)]
            self._order, self._served = waiting, 0

    def _next_block(self) -> Block | None:
        block = next(self._blocks, None)
        if block is not None:
            self.blocks_read += 1
        return block

    def _put(self, block: Block, places: Tensor, taken: int) -> None:
        for hook, acts in block.items():
            if hook not in self._rows:
                self._rows[hook] = torch.zeros(self._capacity, acts.shape[-1], device=acts.device)
            rows = self._rows[hook]
            rows[places.to(rows.device)] = acts[:taken].to(rows.dtype)
        rest = {hook: acts[taken:] for hook, acts in block.items()}
        self._left_over = rest if _length(rest) else {}


def _length(block: Block) -> int:
    return len(next(iter(block.values())))


def _with_prefix(state: Mapping[str, Tensor], prefix: str, device: torch.device | str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor.to(device) for name, tensor in state.items() if name.startswith(prefix)}
