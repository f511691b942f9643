"""A dictionary that is ready to read live text: its model, its encoder, and the rules its contexts are cut by."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from jaxtyping import Bool, Float, Int, Int64
from numpy.typing import NDArray
from torch import Tensor

from worker.live.decoder import LiveDecoder
from worker.live.encode import LiveEncoder

EditHook = Callable[[Tensor], Tensor]


class LiveTokenizer(Protocol):
    """What live inference needs of a tokenizer."""

    @property
    def bos_id(self) -> int | None: ...
    def encode(self, texts: Sequence[str]) -> list[NDArray[np.uint32]]: ...


class LiveModel(Protocol):
    """What live inference needs of a language model."""

    @property
    def n_ctx(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def tokenizer(self) -> Any: ...
    def activations(
        self, token_ids: Int[Tensor, "context token"], hook_names: Sequence[str]
    ) -> dict[str, Float[Tensor, "context token _"]]: ...

    # What steering and attribution need besides.
    @property
    def weights_hash(self) -> str: ...
    @property
    def weight_processing(self) -> str: ...
    @property
    def d_vocab(self) -> int: ...
    @property
    def reads_on(self) -> bool: ...
    def logits(
        self, token_ids: Int[Tensor, "context token"], *, edit: Mapping[str, EditHook] | None = None
    ) -> Float[Tensor, "context token d_vocab"]: ...
    def read_on(
        self, token_ids: Int[Tensor, "context token"], kept: Any = None, *, edit: Mapping[str, EditHook] | None = None
    ) -> tuple[Float[Tensor, "context d_vocab"], Any]: ...
    def path_to_logits(self, hook_name: str) -> Any: ...
    def last_pass(self, token_ids: Int[Tensor, "context token"], hook_name: str) -> Any: ...


@dataclass(frozen=True, slots=True, eq=False)
class LiveDictionary:
    """hash: its identity. encoder, decoder: what reads activations and what edits write.

    bos_id: what begins every context, None where nothing does. n_ctx: with BOS. excluded_ids: tokens that nothing
    fires on, special ones included. facts: plain JSON values on what was loaded.
    """

    hash: str
    model: LiveModel
    hook_name: str
    encoder: LiveEncoder
    bos_id: int | None
    n_ctx: int
    excluded_ids: frozenset[int]
    decoder: LiveDecoder
    facts: Mapping[str, Any] = field(default_factory=dict)

    def kept(self, token_ids: Int64[np.ndarray, " token"]) -> Bool[np.ndarray, " token"]:
        """Which tokens of a context count, as in a harvest: neither its first nor an excluded one."""
        keep = ~np.isin(token_ids, np.fromiter(self.excluded_ids, np.int64, count=len(self.excluded_ids)))
        keep[:1] = False
        return keep
