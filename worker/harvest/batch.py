"""One batch of contexts: which of its tokens the reducers see, and where they stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Int32, Int64
from numpy.typing import NDArray

NO_TOKEN = -1


class Contexts(Protocol):
    """A corpus cut into contexts: for each its document and its text tokens, BOS not counted."""

    @property
    def document_ids(self) -> NDArray[np.int64]: ...
    @property
    def lengths(self) -> NDArray[np.int32]: ...
    @property
    def n_ctx(self) -> int: ...
    @property
    def bos_id(self) -> int | None: ...
    def token_ids(self, context_ids: NDArray[np.int64]) -> NDArray[np.int64]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Contexts that go through the model together.

    token_ids: what the model reads, right-padded. kept: flat index in token_ids of each token that
    the reducers see; rows, positions, own, previous and following describe the kept tokens: their
    context's row in the batch, position in it, and token ids (NO_TOKEN beyond the context's ends).
    special_tokens: tokens of the contexts, padding apart, that are not kept.
    """

    context_ids: Int64[np.ndarray, " context"]
    document_ids: Int64[np.ndarray, " context"]
    token_ids: Int64[np.ndarray, "context token"]
    kept: Int64[np.ndarray, " kept"]
    rows: Int32[np.ndarray, " kept"]
    positions: Int32[np.ndarray, " kept"]
    own: Int32[np.ndarray, " kept"]
    previous: Int32[np.ndarray, " kept"]
    following: Int32[np.ndarray, " kept"]
    special_tokens: int


def make_batch(
    contexts: Contexts, context_ids: Int64[np.ndarray, " context"], *, width: int, excluded_ids: Sequence[int]
) -> Batch:
    """Read contexts and mark what the reducers see.

    Left out: padding, position 0 (which is BOS, or a place the model treats apart where there is no
    BOS), and tokens of excluded_ids. width: tokens a row is padded to.
    """
    token_ids = np.ascontiguousarray(contexts.token_ids(context_ids)[:, :width], dtype=np.int64)
    has_bos = contexts.bos_id is not None
    lengths = contexts.lengths[context_ids].astype(np.int64) + has_bos
    places = np.arange(token_ids.shape[1])
    real = places < lengths[:, None]
    keep = real & (places > 0)
    if len(excluded_ids) > 0:
        keep &= ~np.isin(token_ids, np.asarray(excluded_ids))
    kept = np.flatnonzero(keep)
    rows, positions = np.divmod(kept, token_ids.shape[1])
    following = np.full(token_ids.shape, NO_TOKEN, np.int64)
    following[:, :-1] = np.where(real[:, 1:], token_ids[:, 1:], NO_TOKEN)
    flat = token_ids.reshape(-1)
    return Batch(
        context_ids=context_ids,
        document_ids=contexts.document_ids[context_ids],
        token_ids=token_ids,
        kept=kept,
        rows=rows.astype(np.int32),
        positions=positions.astype(np.int32),
        own=flat[kept].astype(np.int32),
        previous=flat[kept - 1].astype(np.int32),
        following=following.reshape(-1)[kept].astype(np.int32),
        special_tokens=int(real.sum()) - len(kept),
    )
