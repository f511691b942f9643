"""How often and how strongly each feature fires: exact, over every token."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from worker.harvest.compiled import compiled
from worker.harvest.firings import Firings
from worker.harvest.fixed_point import as_float, carry, split
from worker.harvest.threads import Threads

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class FeatureCounts:
    """Tokens, contexts and documents each feature fires in; sums and peak of its activations."""

    tokens_fired: Int64[np.ndarray, " d_sae"]
    contexts_fired: Int64[np.ndarray, " d_sae"]
    documents_fired: Int64[np.ndarray, " d_sae"]
    activation_sum: Float64[np.ndarray, " d_sae"]
    activation_sum_squares: Float64[np.ndarray, " d_sae"]
    peak: Float32[np.ndarray, " d_sae"]


class Counts:
    """Counts, sums and peak of each feature.

    Documents are counted by noticing a new one, so a document's contexts have to come one after
    another; what two reducers that are merged share of a document is told to `merge`.
    """

    def __init__(self, d_sae: int) -> None:
        self._counts = np.zeros((d_sae, 3), np.int64)
        self._sums = np.zeros((d_sae, 2), np.int64)
        self._squares = np.zeros((d_sae, 2), np.int64)
        self._peaks = np.zeros(d_sae, np.float32)
        self._last_document = np.full(d_sae, -1, np.int64)

    def update(self, firings: Firings, threads: Threads) -> None:
        """Add a batch."""

        def add(_: int, start: int, stop: int) -> None:
            state = (self._counts, self._sums, self._squares, self._peaks, self._last_document)
            _add(
                firings.offsets,
                firings.activations,
                firings.segment_offsets,
                firings.segment_rows,
                firings.batch.document_ids,
                start,
                stop,
                *state,
            )

        threads.over(firings.d_sae, add)

    def merge(self, other: Self, *, in_both: Bool[np.ndarray, " d_sae"] | None = None) -> None:
        """Add what another reducer saw. in_both: features that fire on both sides of a document that both share."""
        self._counts += other._counts
        if in_both is not None:
            self._counts[:, 2] -= in_both
        for mine, theirs in ((self._sums, other._sums), (self._squares, other._squares)):
            carry(theirs)
            mine += theirs
            carry(mine)
        np.maximum(self._peaks, other._peaks, out=self._peaks)

    def arrays(self) -> Arrays:
        """State to be saved."""
        return {"counts": self._counts, "sums": self._sums, "squares": self._squares, "peaks": self._peaks}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """A reducer from its saved state; it can be merged, not updated further."""
        reducer = cls(0)
        reducer._counts, reducer._sums = arrays["counts"], arrays["sums"]
        reducer._squares, reducer._peaks = arrays["squares"], arrays["peaks"]
        return reducer

    def result(self) -> FeatureCounts:
        """The counts so far."""
        tokens, contexts, documents = (np.ascontiguousarray(column) for column in self._counts.T)
        return FeatureCounts(
            tokens,
            contexts,
            documents,
            as_float(self._sums),
            as_float(self._squares),
            self._peaks,
        )


@compiled
def _add(
    offsets, activations, segment_offsets, segment_rows, documents, start, stop, counts, sums, squares, peaks, last
):
    for feature in range(start, stop):
        for i in range(offsets[feature], offsets[feature + 1]):
            value = np.float64(activations[i])
            whole, fraction = split(value)
            sums[feature, 0] += whole
            sums[feature, 1] += fraction
            whole, fraction = split(value * value)
            squares[feature, 0] += whole
            squares[feature, 1] += fraction
            peaks[feature] = max(peaks[feature], activations[i])
        counts[feature, 0] += offsets[feature + 1] - offsets[feature]
        counts[feature, 1] += segment_offsets[feature + 1] - segment_offsets[feature]
        for segment in range(segment_offsets[feature], segment_offsets[feature + 1]):
            document = documents[segment_rows[segment]]
            counts[feature, 2] += document != last[feature]
            last[feature] = document
