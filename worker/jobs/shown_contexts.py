"""The contexts that features refer to, ready to be stored: no others are."""

from collections.abc import Iterator, Sequence

import numpy as np

from catalog.records import ContextBatch
from worker.corpus.contexts import ContextTable
from worker.harvest.result import HarvestResult

CONTEXTS_AT_ONCE = 4096


def contexts_shown(results: Sequence[HarvestResult]) -> np.ndarray:
    """Every context that some feature refers to, ascending."""
    groups = [
        columns.context_ids
        for result in results
        for columns in (
            result.top,
            result.bands.contexts,
            result.controls,
            result.reserve.contexts,
            result.reserve.controls,
        )
    ]
    return np.unique(np.concatenate(groups))


def context_batches(contexts: ContextTable, ids: np.ndarray) -> Iterator[ContextBatch]:
    """Those contexts with their tokens, some thousands at a time."""
    for start in range(0, len(ids), CONTEXTS_AT_ONCE):
        chosen = ids[start : start + CONTEXTS_AT_ONCE].astype(np.int64)
        yield ContextBatch(
            context_ids=chosen,
            document_ids=contexts.document_ids[chosen],
            starts=contexts.starts[chosen],
            lengths=contexts.row_lengths(chosen),
            token_ids=contexts.token_ids(chosen),
        )
