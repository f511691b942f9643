"""On which tokens each feature fires: recall and mass from the sample, precision with exact counts.

The sample is of contexts, so its firings come in clusters; intervals take that into account.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from jaxtyping import Int32, Int64

from worker.harvest.compiled import compiled
from worker.harvest.context_tokens import ContextTokens
from worker.harvest.firing_rows import KeptRows, offsets_of
from worker.harvest.result import TokenColumns
from worker.harvest.short_list import insert_by_score, sort_ascending
from worker.harvest.threads import Threads

N_LISTED = 10
LEAST_EXPECTED = 5.0
N_COMMONEST = 3
_FEATURES_AT_ONCE = 1024
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True, eq=False)
class ExactCounts:
    """What is exact: firing tokens and contexts of each feature, tokens reduced, tokens by id at one place."""

    tokens_fired: Int64[np.ndarray, " d_sae"]
    contexts_fired: Int64[np.ndarray, " d_sae"]
    tokens: int
    token_counts: Int64[np.ndarray, " d_vocab"]


def token_statistics(
    sample: KeptRows, exact: ExactCounts, tokens: ContextTokens, *, shift: int, threads: Threads
) -> tuple[TokenColumns, Int64[np.ndarray, "d_sae commonest"]]:
    """Statistics of the token at a place relative to a firing, best F1 first (ties to the lower id).

    shift: 0 the token itself, -1 the one before, 1 the one after. A token is listed where at least
    5 firings on it are expected in the corpus (recall times tokens fired).
    recall = firings on the token over all firings, both of the sample: a ratio estimate. low, high:
    Wilson's interval with the effective size that the variance between contexts leaves (Cochran,
    "Sampling Techniques", ratio estimates; Wilson 1927), exact where the sample is all there is.
    Returns also each feature's three commonest tokens at the place, NO_TOKEN where there are fewer.
    """
    d_sae = len(sample.offsets) - 1
    ids = np.full((d_sae, N_LISTED), -1, np.int64)
    numbers = np.zeros((d_sae, N_LISTED, 6), np.float64)
    commonest = np.full((d_sae, N_COMMONEST), -1, np.int64)
    for first in range(0, d_sae, _FEATURES_AT_ONCE):
        last = min(first + _FEATURES_AT_ONCE, d_sae)
        chunk = slice(sample.offsets[first], sample.offsets[last])
        table, rows = tokens.rows(sample.context_ids[chunk])
        firings = _tokens_at(table, rows, sample, chunk.start, shift)
        base = sample.firing_offsets[chunk.start]

        def count(_: int, start: int, stop: int, first: int = first, firings: np.ndarray = firings, base=base) -> None:
            span = (first + start, first + stop, base)
            exacts = (exact.tokens_fired, exact.contexts_fired, exact.tokens, exact.token_counts)
            rows_of = (sample.offsets, sample.firing_offsets, sample.activations)
            _count(span, firings, rows_of, exacts, (ids, numbers, commonest))

        threads.over(last - first, count)
    return _columns(ids, numbers), commonest


def _columns(ids: Int64[np.ndarray, "d_sae listed"], numbers: np.ndarray) -> TokenColumns:
    listed = ids >= 0
    recall, precision, lift, mass, low, high = numbers[listed].astype(np.float32).T.copy()
    offsets = offsets_of(listed.sum(1))
    return TokenColumns(offsets, ids[listed], recall, precision, lift, mass, low, high)


@compiled
def _gather_tokens(table, rows, firing_offsets, positions, first_row, shift, out):
    base = firing_offsets[first_row]
    for row in range(len(rows)):
        for i in range(firing_offsets[first_row + row], firing_offsets[first_row + row + 1]):
            place = np.int64(positions[i]) + shift
            out[i - base] = table[rows[row], place] if 0 <= place < table.shape[1] else -1


def _tokens_at(
    table: Int32[np.ndarray, "context token"],
    rows: Int64[np.ndarray, " row"],
    sample: KeptRows,
    first_row: int,
    shift: int,
) -> Int32[np.ndarray, " firing"]:
    bounds = sample.firing_offsets[[first_row, first_row + len(rows)]]
    out = np.empty(bounds[1] - bounds[0], np.int32)
    _gather_tokens(table, rows, sample.firing_offsets, sample.positions, first_row, shift, out)
    return out


@compiled
def _count(span, firings, rows_of, exacts, out):
    first, last, base = span
    offsets, firing_offsets, activations = rows_of
    for feature in range(first, last):
        first_row, last_row = offsets[feature], offsets[feature + 1]
        start, stop = firing_offsets[first_row], firing_offsets[last_row]
        if start == stop:
            continue
        # Sorting (token, row, firing) packed in one number brings a token's firings together by context.
        keys = np.empty(stop - start, np.int64)
        total = 0.0
        for row in range(first_row, last_row):
            for i in range(firing_offsets[row], firing_offsets[row + 1]):
                keys[i - start] = (np.int64(firings[i - base]) << 32) | (i - start)
                total += activations[i]
        sort_ascending(keys)
        row_of = np.empty(stop - start, np.int64)
        squares = 0.0
        for row in range(first_row, last_row):
            length = firing_offsets[row + 1] - firing_offsets[row]
            squares += float(length) * float(length)
            for i in range(firing_offsets[row] - start, firing_offsets[row + 1] - start):
                row_of[i] = row
        sizes = (float(stop - start), float(last_row - first_row), squares, total, start)
        _count_tokens(feature, keys, row_of, sizes, firing_offsets, activations, exacts, out)


@compiled
def _count_tokens(feature, keys, row_of, sizes, firing_offsets, activations, exacts, out):
    ids, numbers, commonest = out
    tokens_fired, contexts_fired, tokens, token_counts = exacts
    n_firings, n_rows, squares, total, start = sizes
    scores, often = np.zeros(ids.shape[1]), np.zeros(commonest.shape[1])
    i = 0
    while i < len(keys):
        token = keys[i] >> 32
        fired, mass, own_squares, cross = 0.0, 0.0, 0.0, 0.0
        row, in_row = -1, 0.0
        while i < len(keys) and keys[i] >> 32 == token:
            firing = keys[i] & 0xFFFFFFFF
            if row_of[firing] != row:
                own_squares += in_row * in_row
                row, in_row = row_of[firing], 0.0
            in_row += 1
            fired += 1
            mass += activations[start + firing]
            cross += firing_offsets[row + 1] - firing_offsets[row]
            i += 1
        own_squares += in_row * in_row
        if token < 0:
            continue
        insert_by_score(often, commonest[feature], fired, token)
        recall = fired / n_firings
        expected = recall * tokens_fired[feature]
        if expected < LEAST_EXPECTED:
            continue
        precision = min(1.0, expected / max(1, token_counts[token]))
        place = insert_by_score(scores, ids[feature], 2 * recall * precision / (recall + precision), token)
        if place < 0:
            continue
        spread = own_squares - 2 * recall * cross + recall * recall * squares
        left_out = 1 - n_rows / contexts_fired[feature]
        low, high = _interval(recall, n_firings, n_rows, spread, left_out)
        lift = precision * tokens / tokens_fired[feature]
        for i_listed in range(numbers.shape[1] - 1, place, -1):
            for j in range(numbers.shape[2]):
                numbers[feature, i_listed, j] = numbers[feature, i_listed - 1, j]
        for j, number in enumerate((recall, precision, lift, mass / total, low, high)):
            numbers[feature, place, j] = number


@compiled
def _interval(recall, n_firings, n_rows, spread, left_out):
    """Wilson's interval at the effective sample size; left_out: share of firing contexts not sampled."""
    if left_out <= 0:
        return recall, recall
    binomial = recall * (1 - recall) / n_firings
    clustered = n_rows / max(n_rows - 1, 1.0) * max(spread, 0.0) / n_firings**2
    effect = max(1.0, clustered / binomial) if binomial > 0 else n_firings / n_rows
    n = n_firings / effect / left_out
    centre = (recall + _Z * _Z / (2 * n)) / (1 + _Z * _Z / n)
    half = _Z / (1 + _Z * _Z / n) * sqrt(recall * (1 - recall) / n + _Z * _Z / (4 * n * n))
    return min(max(0.0, centre - half), recall), max(min(1.0, centre + half), recall)
