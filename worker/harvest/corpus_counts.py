"""The corpus's own counts, whatever the features do: tokens by id and by place, positions."""

from typing import Self

import numpy as np

from worker.harvest.batch import Batch
from worker.harvest.position import bucket_edges
from worker.harvest.result import CorpusColumns


class CorpusCounts:
    """Counts of the kept tokens by their own, the previous and the following token id, and by position.

    Documents are counted by noticing a new one, so a document's contexts have to come together.
    """

    def __init__(self, d_vocab: int, n_ctx: int) -> None:
        self._edges = bucket_edges(n_ctx)
        self._by_token = np.zeros((3, d_vocab), np.int64)
        self._by_position = np.zeros(n_ctx, np.int64)
        self._totals = np.zeros(4, np.int64)
        self._last_document = -1

    def update(self, batch: Batch) -> None:
        """Add a batch."""
        d_vocab = self._by_token.shape[1]
        for place, ids in enumerate((batch.own, batch.previous, batch.following)):
            self._by_token[place] += np.bincount(ids[ids >= 0], minlength=d_vocab)
        self._by_position += np.bincount(batch.positions, minlength=len(self._by_position))
        documents = batch.document_ids
        new = np.count_nonzero(np.diff(documents, prepend=self._last_document)) if len(documents) else 0
        self._totals += (len(batch.kept), batch.special_tokens, len(documents), new)  # pyright: ignore[reportOperatorIssue]
        self._last_document = int(documents[-1]) if len(documents) else self._last_document

    def merge(self, other: Self, *, share_a_document: bool = False) -> None:
        """Add what another reducer saw. share_a_document: whether both saw a part of the same one."""
        self._by_token += other._by_token
        self._by_position += other._by_position
        self._totals += other._totals
        self._totals[3] -= share_a_document

    def arrays(self) -> dict[str, np.ndarray]:
        """State to be saved."""
        return {"by_token": self._by_token, "by_position": self._by_position, "totals": self._totals}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        """A reducer from its saved state; it can be merged, not updated further."""
        reducer = cls(0, len(arrays["by_position"]))
        reducer._by_token, reducer._by_position = arrays["by_token"], arrays["by_position"]
        reducer._totals = arrays["totals"]
        return reducer

    def result(self) -> CorpusColumns:
        """The counts so far."""
        tokens, special_tokens, contexts, documents = (int(total) for total in self._totals)
        return CorpusColumns(
            tokens=tokens,
            special_tokens=special_tokens,
            contexts=contexts,
            documents=documents,
            token_counts=self._by_token[0],
            previous_counts=self._by_token[1],
            next_counts=self._by_token[2],
            position_edges=self._edges,
            position_tokens=np.add.reduceat(self._by_position, self._edges[:-1]),
        )
