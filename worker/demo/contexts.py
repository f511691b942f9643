"""Cuts token streams into the contexts that language models are trained and judged on."""

from collections.abc import Iterator

import numpy as np

from worker.demo.tokenizer import BOS_ID, TokenStream


def training_contexts(stream: TokenStream, *, n_ctx: int, seed: int) -> Iterator[np.ndarray]:
    """Every stretch of the stream once, shuffled, each begun by BOS; then once more, for ever.

    Yields arrays (n_ctx,) of int64. A context may run over the end of a document;
    the next one begins there with a BOS of its own.
    """
    count = len(stream.tokens) // (n_ctx - 1)
    epoch = 0
    while True:
        for row in np.random.default_rng([seed, epoch]).permutation(count):
            yield context_at(stream, int(row), n_ctx=n_ctx)
        epoch += 1


def context_at(stream: TokenStream, row: int, *, n_ctx: int) -> np.ndarray:
    """BOS, then the row-th stretch of n_ctx - 1 tokens of the stream, as int64 (n_ctx,)."""
    context = np.empty(n_ctx, dtype=np.int64)
    context[0] = BOS_ID
    context[1:] = stream.tokens[row * (n_ctx - 1) : (row + 1) * (n_ctx - 1)]
    return context


def document_contexts(ids: np.ndarray, *, n_ctx: int) -> list[np.ndarray]:
    """One document's contexts: its tokens in order, BOS before each stretch of n_ctx - 1.

    ids: the document's tokens without BOS. An empty document has no contexts.
    """
    stretches = (ids[first : first + n_ctx - 1] for first in range(0, len(ids), n_ctx - 1))
    return [np.concatenate(([BOS_ID], stretch)).astype(np.int64) for stretch in stretches]
