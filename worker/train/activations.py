"""Streams a model's activations over shuffled contexts, special tokens left out, from any block onwards."""

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from worker.train.buffer import Block
from worker.train.errors import TrainingError


@runtime_checkable
class ActivationModel(Protocol):
    """A language model whose activations can be read."""

    def activations(
        self, token_ids: Int[Tensor, "context token"], hook_names: Sequence[str]
    ) -> dict[str, Float[Tensor, "context token d"]]: ...


@runtime_checkable
class Contexts(Protocol):
    """Pieces of documents: `lengths` counts the text tokens of each, BOS not among them."""

    @property
    def lengths(self) -> NDArray[np.int32]: ...

    @property
    def bos_id(self) -> int | None: ...

    def token_ids(self, context_ids: NDArray[np.int64]) -> NDArray[np.int64]: ...


@runtime_checkable
class BlockSource(Protocol):
    """An endless stream of activations that can be taken up at any block."""

    def blocks(self, start: int) -> Iterator[Block]: ...


class ContextBlocks:
    """Activations of contexts in a seeded order that is new in each pass over them, without end.

    A block holds the text tokens of `contexts_per_block` contexts; block i is the same whenever it is asked for.
    excluded: ids of special tokens, left out wherever they stand. BOS, position 0 and padding always are.
    Raises TrainingError where there are no contexts.
    """

    def __init__(
        self,
        model: ActivationModel,
        contexts: Contexts,
        hook_names: Sequence[str],
        *,
        seed: int,
        contexts_per_block: int = 64,
        excluded: frozenset[int] = frozenset(),
    ) -> None:
        if not len(contexts.lengths):
            raise TrainingError("There are no contexts to train on; the corpus is empty.")
        self._model = model
        self._contexts = contexts
        self._hook_names = tuple(hook_names)
        self._seed = seed
        self._contexts_per_block = contexts_per_block
        self._excluded = excluded

    def blocks(self, start: int) -> Iterator[Block]:
        """Blocks from number `start` on, pass after pass. Raises TrainingError where a whole pass has no text."""
        n_contexts = len(self._contexts.lengths)
        per_pass = -(-n_contexts // self._contexts_per_block)
        number = start
        while True:
            first, text_tokens = number % per_pass, 0
            order = np.random.default_rng((self._seed, number // per_pass)).permutation(n_contexts)
            for place in range(first, per_pass):
                chosen = order[place * self._contexts_per_block : (place + 1) * self._contexts_per_block]
                block = self._block(np.sort(chosen))
                text_tokens += len(next(iter(block.values())))
                number += 1
                yield block
            if not first and not text_tokens:
                raise TrainingError("The contexts hold no text tokens to train on; the corpus is empty.")

    def _block(self, context_ids: NDArray[np.int64]) -> Block:
        ids, is_text = text_batch(self._contexts, context_ids, self._excluded)
        acts = self._model.activations(ids, self._hook_names)
        return {hook: acts[hook][is_text.to(acts[hook].device)].float() for hook in self._hook_names}


def text_batch(
    contexts: Contexts, context_ids: NDArray[np.int64], excluded: frozenset[int] = frozenset()
) -> tuple[Int[Tensor, "context token"], Bool[Tensor, "context token"]]:
    """Token ids of the contexts, and which of them are text.

    Not text are BOS, position 0 where there is no BOS, padding, and ids in `excluded`.
    """
    ids = contexts.token_ids(context_ids)
    prefix = 0 if contexts.bos_id is None else 1
    ends = prefix + contexts.lengths[context_ids].astype(np.int64)
    ends = ends.clip(max=ids.shape[1])
    position = np.arange(ids.shape[1])
    is_text = (position >= 1) & (position < ends[:, None])
    if excluded:
        is_text &= ~np.isin(ids, sorted(excluded))
    longest = int(ends.max(initial=1))
    return torch.from_numpy(ids[:, :longest].copy()), torch.from_numpy(is_text[:, :longest].copy())
