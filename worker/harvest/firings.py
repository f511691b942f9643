"""The firings of one dictionary in one batch, sparse: by token, by feature, and by context.

By feature they are sorted by token, so those of one context stand together: a segment. Every
reducer works on these arrays and none on the dense activations.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64

from worker.harvest.batch import Batch
from worker.harvest.compiled import compiled
from worker.harvest.threads import Threads


@dataclass(frozen=True, slots=True, eq=False)
class TokenRows:
    """Firings by token: kept token t has features[ends[t - 1]:ends[t]], ascending, from ends[-1] = 0."""

    ends: Int64[np.ndarray, " kept"]
    features: Int32[np.ndarray, " firing"]
    activations: Float32[np.ndarray, " firing"]


@dataclass(frozen=True, slots=True, eq=False)
class Firings:
    """Firings by feature: f has tokens[offsets[f]:offsets[f + 1]], indices of kept tokens, ascending.

    Its segments are segment_offsets[f]:segment_offsets[f + 1]; segment s is the firings
    segment_starts[s]:segment_starts[s + 1], all in the context of row segment_rows[s].
    """

    batch: Batch
    by_token: TokenRows
    offsets: Int64[np.ndarray, " features_and_one"]
    tokens: Int32[np.ndarray, " firing"]
    activations: Float32[np.ndarray, " firing"]
    segment_offsets: Int64[np.ndarray, " features_and_one"]
    segment_starts: Int64[np.ndarray, " segments_and_one"]
    segment_rows: Int32[np.ndarray, " segment"]
    segment_peaks: Float32[np.ndarray, " segment"]

    @property
    def d_sae(self) -> int:
        """Number of features."""
        return len(self.offsets) - 1


def firings_of(batch: Batch, by_token: TokenRows, *, d_sae: int, threads: Threads) -> Firings:
    """Turn firings by token into firings by feature, and find their segments."""
    n_tokens, n_firings = len(by_token.ends), len(by_token.features)
    counts = np.zeros((threads.n_threads, d_sae), np.int64)
    threads.over(n_tokens, lambda part, a, b: _count(by_token.ends, by_token.features, a, b, counts[part]))
    offsets = _offsets(counts.sum(0))
    places = offsets[:-1] + np.cumsum(counts, axis=0) - counts
    tokens, activations = np.empty(n_firings, np.int32), np.empty(n_firings, np.float32)

    def scatter(part: int, start: int, stop: int) -> None:
        _scatter(by_token.ends, by_token.features, by_token.activations, start, stop, places[part], tokens, activations)

    threads.over(n_tokens, scatter)
    n_segments = np.empty(d_sae, np.int64)
    threads.over(d_sae, lambda _, a, b: _count_segments(offsets, tokens, batch.rows, a, b, n_segments))
    segment_offsets = _offsets(n_segments)
    starts = np.full(segment_offsets[-1] + 1, n_firings, np.int64)
    rows, peaks = np.empty(len(starts) - 1, np.int32), np.empty(len(starts) - 1, np.float32)

    def fill(_: int, start: int, stop: int) -> None:
        found = (segment_offsets, starts, rows, peaks)
        _fill_segments(offsets, tokens, activations, batch.rows, start, stop, *found)

    threads.over(d_sae, fill)
    return Firings(batch, by_token, offsets, tokens, activations, segment_offsets, starts, rows, peaks)


def join_blocks(blocks: list[TokenRows], threads: Threads) -> TokenRows:
    """The same tokens' firings in several blocks of features, ascending from block to block, as one list a token."""
    lengths = sum(np.diff(block.ends, prepend=0) for block in blocks)
    ends = np.cumsum(lengths)
    features, activations = np.empty(ends[-1], np.int32), np.empty(ends[-1], np.float32)
    places = ends - lengths

    def place(_: int, start: int, stop: int) -> None:
        for block in blocks:
            found = (block.ends, block.features, block.activations)
            _place(*found, start, stop, places, features, activations)

    threads.over(len(ends), place)
    return TokenRows(ends, features, activations)


def _offsets(counts: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n_and_one"]:
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


@compiled
def _place(ends, features, activations, start, stop, places, features_out, activations_out):
    first = ends[start - 1] if start else 0
    for token in range(start, stop):
        place = places[token]
        for i in range(first, ends[token]):
            features_out[place] = features[i]
            activations_out[place] = activations[i]
            place += 1
        places[token] = place
        first = ends[token]


@compiled
def _count(ends, features, start, stop, counts):
    for i in range(ends[start - 1] if start else 0, ends[stop - 1] if stop else 0):
        counts[features[i]] += 1


@compiled
def _scatter(ends, features, activations, start, stop, places, tokens_out, activations_out):
    first = ends[start - 1] if start else 0
    for token in range(start, stop):
        for i in range(first, ends[token]):
            place = places[features[i]]
            places[features[i]] = place + 1
            tokens_out[place] = token
            activations_out[place] = activations[i]
        first = ends[token]


@compiled
def _count_segments(offsets, tokens, rows, start, stop, n_segments):
    for feature in range(start, stop):
        n = 0
        row = -1
        for i in range(offsets[feature], offsets[feature + 1]):
            n += rows[tokens[i]] != row
            row = rows[tokens[i]]
        n_segments[feature] = n


@compiled
def _fill_segments(offsets, tokens, activations, rows, start, stop, segment_offsets, starts_out, rows_out, peaks_out):
    for feature in range(start, stop):
        segment = segment_offsets[feature] - 1
        row = -1
        for i in range(offsets[feature], offsets[feature + 1]):
            if rows[tokens[i]] != row:
                row = rows[tokens[i]]
                segment += 1
                starts_out[segment] = i
                rows_out[segment] = row
                peaks_out[segment] = activations[i]
            elif activations[i] > peaks_out[segment]:
                peaks_out[segment] = activations[i]
