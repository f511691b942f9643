"""Token ids of many contexts at once, for the statistics of samples.

A small corpus is read once; of a large one only the contexts asked for are read, each once a call.
"""

import numpy as np
from jaxtyping import Int32, Int64

from worker.harvest.batch import NO_TOKEN, Contexts

_READ_WHOLE = 32_768
_READ_AT_ONCE = 2048


class ContextTokens:
    """Reads rows of token ids in which padding is NO_TOKEN."""

    def __init__(self, contexts: Contexts) -> None:
        self._contexts = contexts
        n = len(contexts.lengths)
        self._whole = self._read(np.arange(n)) if n <= _READ_WHOLE else None

    def rows(
        self, context_ids: Int64[np.ndarray, " wanted"]
    ) -> tuple[Int32[np.ndarray, "context token"], Int64[np.ndarray, " wanted"]]:
        """A table of token ids and, for each context wanted, its row in the table."""
        if self._whole is not None:
            return self._whole, context_ids
        unique, rows = np.unique(context_ids, return_inverse=True)
        return self._read(unique), rows.astype(np.int64)

    def _read(self, context_ids: Int64[np.ndarray, " context"]) -> Int32[np.ndarray, "context token"]:
        ids = np.full((len(context_ids), self._contexts.n_ctx), NO_TOKEN, np.int32)
        has_bos = self._contexts.bos_id is not None
        for start in range(0, len(context_ids), _READ_AT_ONCE):
            chunk = context_ids[start : start + _READ_AT_ONCE]
            lengths = np.asarray(self._contexts.lengths)[chunk] + has_bos
            real = np.arange(ids.shape[1]) < lengths[:, None]
            ids[start : start + len(chunk)] = np.where(real, self._contexts.token_ids(chunk), NO_TOKEN)
        return ids
