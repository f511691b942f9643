"""Which features fire on the same tokens: on the tokens of smallest hash, over the whole dictionary.

The sampled tokens' lists of firing features are kept, and partners are counted from them one feature
at a time at the end: no array of d_sae x d_sae is ever made.
"""

from typing import Self

import numpy as np
from jaxtyping import Float32, Int64, UInt64

from worker.harvest.compiled import compiled, inlined
from worker.harvest.firings import Firings
from worker.harvest.hashing import COACTIVATION_STREAM, keyed, stream_key
from worker.harvest.prefetch import LINE_BYTES, prefetch
from worker.harvest.result import CoactivationColumns
from worker.harvest.short_list import insert_by_score
from worker.harvest.threads import Threads

N_PARTNERS = 10
LEAST_JOINT = 10
_LISTS_AHEAD, _ENDS_AHEAD = 8, 32
_BLOCK = 64


class Coactivation:
    """Keeps, for tokens with hash(seed, context, position) at most `bar`, the features that fire.

    Where those lists would be longer than max_entries in all, tokens of greatest hash are dropped
    until they are not, so that memory stays bounded however dense the features are.
    """

    def __init__(self, d_sae: int, *, bar: int, seed: int, max_entries: int) -> None:
        self._d_sae, self._bar, self._max_entries = d_sae, np.uint64(bar), max_entries
        self._key = stream_key(seed, COACTIVATION_STREAM)
        self._pieces: list[tuple[UInt64[np.ndarray, " token"], Int64[np.ndarray, " token"], np.ndarray]] = []
        self._entries = 0

    def update(self, firings: Firings, threads: Threads) -> None:
        """Add a batch; `threads` is not needed."""
        batch, rows = firings.batch, firings.by_token
        hashes = token_hashes(self._key, batch.context_ids[batch.rows], batch.positions)
        chosen = np.flatnonzero(hashes <= self._bar)
        lengths = np.diff(rows.ends, prepend=0)[chosen]
        self._append(hashes[chosen], lengths, _gather(rows.ends, rows.features, chosen, lengths))

    def merge(self, other: Self) -> None:
        """Add what another reducer saw."""
        for piece in other._pieces:
            self._append(*piece)

    def arrays(self) -> dict[str, np.ndarray]:
        """State to be saved."""
        self._trim()
        hashes, lengths, features = self._pieces[0]
        return {"d_sae": np.array(self._d_sae), "hashes": hashes, "lengths": lengths, "features": features}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], *, max_entries: int) -> Self:
        """A reducer from its saved state; it can be merged, not updated further."""
        reducer = cls(int(arrays["d_sae"]), bar=0, seed=0, max_entries=max_entries)
        reducer._append(arrays["hashes"], arrays["lengths"], arrays["features"])
        return reducer

    def under(self, bar: int) -> Self:
        """The same without the tokens of a hash above the bar."""
        self._trim()
        hashes, lengths, features = self._pieces[0]
        chosen = np.flatnonzero(hashes <= np.uint64(bar))
        kept = type(self)(self._d_sae, bar=bar, seed=0, max_entries=self._max_entries)
        kept._append(hashes[chosen], lengths[chosen], _gather(np.cumsum(lengths), features, chosen, lengths[chosen]))
        return kept

    def result(self, threads: Threads) -> CoactivationColumns:
        """Partners of each feature by Jaccard, ties to the lower index."""
        self._trim()
        _, lengths, features = self._pieces[0]
        ends = np.cumsum(lengths)
        fired = np.bincount(features, minlength=self._d_sae)
        offsets = np.concatenate([[0], np.cumsum(fired)])
        by_feature = _tokens_by_feature(ends, features, offsets)
        if self._d_sae <= 2**16:
            # Counting waits for memory more than for anything else, and this halves what is read.
            features = features.astype(np.uint16)
        partners = np.full((self._d_sae, N_PARTNERS), -1, np.int64)
        joint = np.zeros((self._d_sae, N_PARTNERS), np.int64)

        def count(_: int, start: int, stop: int) -> None:
            _count_partners(ends, features, offsets, by_feature, start, stop, partners, joint)

        threads.over(self._d_sae, count)
        return _columns(partners, joint, fired, len(lengths))

    def _append(self, hashes: np.ndarray, lengths: np.ndarray, features: np.ndarray) -> None:
        self._pieces.append((hashes, lengths, features))
        self._entries += len(features)
        if self._entries > 2 * self._max_entries:
            self._trim()

    def _trim(self) -> None:
        """One piece, sorted by hash, no longer than allowed."""
        hashes, lengths, features = _joined(self._pieces)
        order = np.argsort(hashes, kind="stable")
        order = order[np.cumsum(lengths[order]) <= self._max_entries]
        kept = _gather(np.cumsum(lengths), features, order, lengths[order])
        self._pieces = [(hashes[order], lengths[order], kept)]
        self._entries = len(kept)


def _joined(pieces: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    none = (np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int32))
    hashes, lengths, features = zip(none, *pieces, strict=True)
    return np.concatenate(hashes), np.concatenate(lengths), np.concatenate(features)


def _columns(partners: np.ndarray, joint: np.ndarray, fired: np.ndarray, n_tokens: int) -> CoactivationColumns:
    found = partners >= 0
    this, _ = np.nonzero(found)
    other, both = partners[found], joint[found]
    return CoactivationColumns(
        offsets=np.concatenate([[0], np.cumsum(found.sum(1))]).astype(np.int64),
        indices=other,
        jaccard=_ratio(both, fired[this] + fired[other] - both),
        other_given_this=_ratio(both, fired[this]),
        this_given_other=_ratio(both, fired[other]),
        joint=both,
        sample_tokens=n_tokens,
    )


def _ratio(part: Int64[np.ndarray, " n"], whole: Int64[np.ndarray, " n"]) -> Float32[np.ndarray, " n"]:
    return (part / whole).astype(np.float32)


@compiled
def token_hashes(key, context_ids, positions):
    """hash(seed, context, position) of each token."""
    hashes = np.empty(len(positions), np.uint64)
    for i in range(len(positions)):
        hashes[i] = keyed(keyed(key, context_ids[i]), positions[i])
    return hashes


@compiled
def _gather(ends, features, chosen, lengths):
    out = np.empty(lengths.sum(), np.int32)
    end = 0
    for i in range(len(chosen)):
        first = ends[chosen[i]] - lengths[i]
        for j in range(lengths[i]):
            out[end + j] = features[first + j]
        end += lengths[i]
    return out


@compiled
def _tokens_by_feature(ends, features, offsets):
    places = offsets[:-1].copy()
    tokens = np.empty(len(features), np.int32)
    first = 0
    for token in range(len(ends)):
        for i in range(first, ends[token]):
            tokens[places[features[i]]] = token
            places[features[i]] += 1
        first = ends[token]
    return tokens


@compiled
def _count_partners(ends, features, offsets, by_feature, start, stop, partners, joint):
    d_sae = len(offsets) - 1
    counts = np.zeros((d_sae + _BLOCK - 1) // _BLOCK * _BLOCK, np.int32)
    last = len(by_feature) - 1
    for feature in range(start, stop):
        if offsets[feature + 1] - offsets[feature] < LEAST_JOINT:
            continue
        for i in range(offsets[feature], offsets[feature + 1]):
            _ask_for_list(ends, features, by_feature[min(i + _LISTS_AHEAD, last)])
            prefetch(ends, by_feature[min(i + _ENDS_AHEAD, last)])
            token = by_feature[i]
            for j in range(np.uint64(ends[token - 1] if token else 0), np.uint64(ends[token])):
                counts[features[j]] += 1
        _keep_partners(feature, counts, offsets, partners, joint)
        for other in range(len(counts)):
            counts[other] = 0


@inlined
def _ask_for_list(ends, features, token):
    for j in range(ends[token - 1] if token else 0, ends[token], LINE_BYTES // features.itemsize):
        prefetch(features, j)


@compiled
def _keep_partners(feature, counts, offsets, partners, joint):
    """The best partners by Jaccard; blocks of counts that hold none are passed over at one comparison each."""
    fired = offsets[feature + 1] - offsets[feature]
    scores = np.full(partners.shape[1], -1.0)
    for block in range(len(counts) // _BLOCK):
        base = np.uint64(block * _BLOCK)
        some = np.uint32(0)
        for offset in range(_BLOCK):
            some |= np.uint32(counts[base + np.uint64(offset)] >= LEAST_JOINT)
        if some == 0:
            continue
        for other in range(block * _BLOCK, (block + 1) * _BLOCK):
            both = counts[other]
            if both >= LEAST_JOINT and other != feature:
                score = both / (fired + offsets[other + 1] - offsets[other] - both)
                insert_by_score(scores, partners[feature], score, other)
    for place in range(partners.shape[1]):
        if partners[feature, place] >= 0:
            joint[feature, place] = counts[partners[feature, place]]
