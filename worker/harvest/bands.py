"""Fifths of each feature's sampled firing contexts, which of them are shown, and which held in reserve."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from worker.harvest.compiled import compiled
from worker.harvest.firing_rows import KeptRows, offsets_of
from worker.harvest.result import N_BANDS, BandColumns, ContextColumns
from worker.harvest.threads import Threads

SHOWN_A_BAND = 5
RESERVED_A_BAND = 2


@dataclass(frozen=True, slots=True, eq=False)
class Banded:
    """The bands, and beside them the firing contexts of the reserve with the band each is from."""

    bands: BandColumns
    reserve: ContextColumns
    reserve_band: np.ndarray


def band_samples(
    sample: KeptRows, top: KeptRows, contexts_fired: Int64[np.ndarray, " d_sae"], threads: Threads
) -> Banded:
    """Rank each feature's sampled contexts by (peak, context id), cut them into fifths, choose from each.

    The strongest fifth is band 0. Five of each band are shown, those of smallest hash; the next two
    by hash that are not among the top contexts either are held in reserve.
    sample: smallest hash first. Of n contexts the one of rank r is in band 5 r // n.
    """
    d_sae, n_rows = len(sample.offsets) - 1, len(sample.context_ids)
    peaks = sample.peaks()
    # One array a row of the sample: its band, its use (1 shown, 2 reserve), and the row at its rank.
    band, use, ranked = np.empty(n_rows, np.uint8), np.zeros(n_rows, np.uint8), np.empty(n_rows, np.int64)
    intervals, shares = np.zeros((2, d_sae, N_BANDS), np.float32), np.zeros((2, d_sae, N_BANDS), np.float64)

    def cut(_: int, start: int, stop: int) -> None:
        rows = (sample.offsets, sample.context_ids, peaks, sample.firing_offsets, sample.activations)
        _rank(rows, start, stop, ranked)
        _cut(rows, start, stop, ranked, band, intervals, shares)
        _choose(sample.offsets, sample.context_ids, top.offsets, top.context_ids, start, stop, band, use)

    threads.over(d_sae, cut)
    shares /= np.maximum(shares.sum(-1, keepdims=True), np.finfo(np.float64).tiny)
    shown, reserve = (context_columns(_chosen(sample, ranked, use, wanted)) for wanted in (1, 2))
    return Banded(
        BandColumns(
            low=intervals[0],
            high=intervals[1],
            share_of_firings=shares[0].astype(np.float32),
            share_of_activation=shares[1].astype(np.float32),
            band=band[ranked[use[ranked] == 1]],
            contexts=shown,
            sample_size=np.diff(sample.offsets),
            sample_of=contexts_fired,
        ),
        reserve,
        band[ranked[use[ranked] == 2]],
    )


def context_columns(rows: KeptRows) -> ContextColumns:
    """Kept rows as they stand in a result."""
    return ContextColumns(
        rows.offsets,
        rows.context_ids,
        rows.peaks(),
        rows.firing_offsets,
        rows.positions.astype(np.int32),
        rows.activations,
    )


def _chosen(sample: KeptRows, ranked: np.ndarray, use: np.ndarray, wanted: int) -> KeptRows:
    is_wanted = use[ranked] == wanted
    before = offsets_of(is_wanted)
    return sample.select(ranked[is_wanted], before[sample.offsets])


@compiled
def _rank(rows, start, stop, ranked):
    """Rows of each feature by peak, greatest first, then by lower context id: an insertion sort."""
    offsets, contexts, peaks = rows[0], rows[1], rows[2]
    for feature in range(start, stop):
        first = offsets[feature]
        for row in range(first, offsets[feature + 1]):
            i = row
            while i > first:
                other = ranked[i - 1]
                if peaks[other] > peaks[row] or (peaks[other] == peaks[row] and contexts[other] < contexts[row]):
                    break
                ranked[i] = other
                i -= 1
            ranked[i] = row


@compiled
def _cut(rows, start, stop, ranked, band, intervals, shares):
    offsets, peaks, firing_offsets, activations = rows[0], rows[2], rows[3], rows[4]
    for feature in range(start, stop):
        first, n = offsets[feature], offsets[feature + 1] - offsets[feature]
        for rank in range(n):
            row = ranked[first + rank]
            fifth = N_BANDS * rank // n
            if intervals[1, feature, fifth] == 0:
                intervals[1, feature, fifth] = peaks[row]
            intervals[0, feature, fifth] = peaks[row]
            band[row] = fifth
            for i in range(firing_offsets[row], firing_offsets[row + 1]):
                shares[0, feature, fifth] += 1
                shares[1, feature, fifth] += activations[i]


@compiled
def _choose(offsets, contexts, top_offsets, top_contexts, start, stop, band, use):
    for feature in range(start, stop):
        n_shown, n_reserved = np.zeros(N_BANDS, np.int64), np.zeros(N_BANDS, np.int64)
        for row in range(offsets[feature], offsets[feature + 1]):
            fifth = band[row]
            if n_shown[fifth] < SHOWN_A_BAND:
                n_shown[fifth] += 1
                use[row] = 1
            elif n_reserved[fifth] < RESERVED_A_BAND:
                is_top = False
                for i in range(top_offsets[feature], top_offsets[feature + 1]):
                    is_top |= top_contexts[i] == contexts[row]
                if not is_top:
                    n_reserved[fifth] += 1
                    use[row] = 2
