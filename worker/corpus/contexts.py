"""A corpus cut into contexts of n_ctx tokens; documents are never packed together and tails are kept."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class ContextTable:
    """Where each context lies. Context ids are 0 to len(self) - 1, in the order of documents.

    document_ids: the document of each context. starts: its offset in that document's tokens.
    lengths: its text tokens, BOS not counted; only a document's last context may be short.
    n_ctx: tokens in a row, BOS counted. bos_id: what stands first in every row, None where nothing does.
    pad_id: fills rows on the right. tokens, document_starts: the corpus's own arrays.
    """

    document_ids: NDArray[np.int64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int32]
    n_ctx: int
    bos_id: int | None
    pad_id: int
    tokens: NDArray[np.unsignedinteger]
    document_starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def n_tokens(self) -> int:
        """Text tokens in all contexts, BOS and padding not counted."""
        return int(self.lengths.sum(dtype=np.int64))

    @property
    def n_prefix(self) -> int:
        """Tokens that stand before the text in every row: 1 with BOS, else 0."""
        return 0 if self.bos_id is None else 1

    def token_ids(self, context_ids: NDArray[np.integer]) -> NDArray[np.int64]:
        """The rows asked for, (context, n_ctx): BOS if any, text, padding on the right."""
        context_ids = np.asarray(context_ids)
        width = self.n_ctx - self.n_prefix
        first = self.document_starts[self.document_ids[context_ids]] + self.starts[context_ids]
        columns = np.arange(width)
        is_text = columns < self.lengths[context_ids, None]
        places = np.where(is_text, first[:, None] + columns, 0)
        rows = np.full((len(context_ids), self.n_ctx), self.pad_id, dtype=np.int64)
        if len(self.tokens):
            rows[:, self.n_prefix :] = np.where(is_text, self.tokens[places], self.pad_id)
        if self.bos_id is not None:
            rows[:, 0] = self.bos_id
        return rows

    def row_lengths(self, context_ids: NDArray[np.integer]) -> NDArray[np.int64]:
        """Tokens in each row before the padding, BOS counted."""
        return self.lengths[np.asarray(context_ids)].astype(np.int64) + self.n_prefix


def cut_contexts(
    document_starts: NDArray[np.int64], width: int, *, max_tokens: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """The document, the offset in it and the length of every context of at most `width` text tokens.

    max_tokens: keeps the first contexts, up to the one that reaches this many text tokens.
    """
    sizes = np.diff(document_starts)
    n_contexts = -(-sizes // width)
    document_ids = np.repeat(np.arange(len(sizes), dtype=np.int64), n_contexts)
    first_context = np.cumsum(n_contexts) - n_contexts
    starts = (np.arange(len(document_ids)) - first_context[document_ids]) * width
    lengths = np.minimum(width, sizes[document_ids] - starts).astype(np.int32)
    keep = len(lengths)
    if max_tokens is not None:
        reached = np.cumsum(lengths, dtype=np.int64)
        keep = min(keep, int(np.searchsorted(reached, max_tokens)) + 1) if max_tokens > 0 else 0
    return document_ids[:keep], starts[:keep], lengths[:keep]
