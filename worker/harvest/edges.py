"""Which features fire in the first and in the last document of what was reduced.

Two reducers that are merged may share a document: the last of one, which goes on as the first of the other. What is
counted by document, or kept one a document, is put right with what is remembered here.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Bool

from worker.harvest.batch import Contexts
from worker.harvest.firings import Firings
from worker.harvest.threads import Threads

FIRST, LAST = 0, 1


@dataclass(frozen=True, slots=True, eq=False)
class SharedDocument:
    """A document that two reducers share.

    fired: features that fire in it on both sides. start, stop: the contexts of it that either has seen.
    """

    fired: Bool[np.ndarray, " d_sae"]
    start: int
    stop: int


class EdgeDocuments:
    """Remembers the documents at both ends of a run of contexts; with a single document they are the same."""

    def __init__(self, d_sae: int, contexts: Contexts, start: int, stop: int) -> None:
        documents = np.asarray(contexts.document_ids[start:stop])
        first, last = int(documents[0]), int(documents[-1])
        ends, begins = np.searchsorted(documents, first, side="right"), np.searchsorted(documents, last)
        self._documents = np.array([first, last], np.int64)
        # The context behind the first document, and the first context of the last one.
        self._bounds = np.array([start + ends, start + begins], np.int64)
        self._fired = np.zeros((2, d_sae), np.bool_)

    def update(self, firings: Firings, threads: Threads) -> None:
        """Add a batch; `threads` is not needed."""
        documents = firings.batch.document_ids
        for edge in (FIRST, LAST):
            inside = documents == self._documents[edge]
            if inside.any():
                found = np.concatenate([[0], np.cumsum(inside[firings.segment_rows])])
                self._fired[edge] |= np.diff(found[firings.segment_offsets]) > 0

    def shared(self, other: Self) -> SharedDocument | None:
        """The document that goes on in what the other saw, which comes behind; None where there is none."""
        if self._documents[LAST] != other._documents[FIRST]:
            return None
        fired = self._fired[LAST] & other._fired[FIRST]
        return SharedDocument(fired, int(self._bounds[LAST]), int(other._bounds[FIRST]))

    def merge(self, other: Self) -> None:
        """Add what another reducer saw of the contexts behind."""
        if self.shared(other) is not None:
            if self._documents[FIRST] == self._documents[LAST]:
                self._fired[FIRST] |= other._fired[FIRST]
                self._bounds[FIRST] = other._bounds[FIRST]
            if other._documents[FIRST] == other._documents[LAST]:
                self._fired[LAST] |= other._fired[LAST]
                return
        self._documents[LAST], self._bounds[LAST] = other._documents[LAST], other._bounds[LAST]
        self._fired[LAST] = other._fired[LAST]

    def arrays(self) -> dict[str, np.ndarray]:
        """State to be saved."""
        return {"documents": self._documents, "bounds": self._bounds, "fired": self._fired}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        """A reducer from its saved state; it can be merged, not updated further."""
        reducer = cls.__new__(cls)
        reducer._documents, reducer._bounds = arrays["documents"], arrays["bounds"]
        reducer._fired = arrays["fired"]
        return reducer
