"""Contexts of the pool in which a feature is silent: some by hash alone, some near misses."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Int64, UInt64

from worker.harvest.compiled import compiled, inlined
from worker.harvest.firing_rows import offsets_of
from worker.harvest.hashing import POOL_STREAM, hash_all, keyed, stream_key
from worker.harvest.result import ControlColumns
from worker.harvest.threads import Threads

N_SHOWN, N_NEAR_SHOWN = 5, 2
N_RESERVED, N_NEAR_RESERVED = 10, 5
BY_HASH, HAS_COMMON_TOKEN, RELATED_FIRES = 0, 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """The pool's contexts, their token ids (padding -1), and one fired-bit a feature and context."""

    context_ids: Int64[np.ndarray, " pool"]
    token_ids: Int32[np.ndarray, "pool token"]
    fired: UInt64[np.ndarray, "d_sae word"]


def choose_controls(
    pool: Pool,
    commonest: Int64[np.ndarray, "d_sae commonest"],
    related: Int64[np.ndarray, "d_sae relative"],
    *,
    seed: int,
    features: Int64[np.ndarray, " d_sae"],
    threads: Threads,
) -> tuple[ControlColumns, ControlColumns]:
    """Controls shown and controls held in reserve: 5 and 10 a feature, or fewer where fewer are silent.

    The pool stands in a circle by hash(seed, context), and each feature goes round it from its own
    hash. 2 of those shown and 5 of the reserve are near misses, the first met: contexts with one of
    the feature's commonest tokens (reason 1) or in which a related feature fires (reason 2). The
    rest, and whatever near misses leave open, are the first other silent contexts met (reason 0).
    commonest, related: -1 where there are fewer. features: the numbers by which features are hashed.
    """
    order = np.argsort(hash_all(stream_key(seed, POOL_STREAM), pool.context_ids), kind="stable")
    words, token_bits = _contexts_with_token(pool, commonest)
    d_sae = len(pool.fired)
    chosen = np.full((d_sae, N_SHOWN + N_RESERVED), -1, np.int64)
    reason, relative = np.zeros(chosen.shape, np.uint8), np.full(chosen.shape, -1, np.int64)
    key = stream_key(seed, POOL_STREAM)

    def choose(_: int, start: int, stop: int) -> None:
        found = (chosen, reason, relative)
        _choose(start, stop, features, order, key, pool.fired, (commonest, words, token_bits), related, found)

    threads.over(d_sae, choose)
    whole = (pool.context_ids, chosen, reason, relative)
    return _columns(*whole, slice(0, N_SHOWN)), _columns(*whole, slice(N_SHOWN, None))


def _columns(
    context_ids: np.ndarray, chosen: np.ndarray, reason: np.ndarray, relative: np.ndarray, *part: slice
) -> ControlColumns:
    columns = (slice(None), *part)
    found = chosen[columns] >= 0
    return ControlColumns(
        offsets_of(found.sum(1)),
        context_ids[chosen[columns][found]],
        reason[columns][found],
        relative[columns][found],
    )


def _contexts_with_token(
    pool: Pool, commonest: Int64[np.ndarray, "d_sae commonest"]
) -> tuple[Int64[np.ndarray, "d_sae commonest"], UInt64[np.ndarray, "token word"]]:
    """For each token that is common for some feature the bits of the pool's contexts that hold it.

    Returns each feature's rows in that table, and the table; its last row, row -1, is empty.
    """
    wanted = np.unique(commonest[commonest >= 0])
    bits = np.zeros((len(wanted) + 1, pool.fired.shape[1]), np.uint64)
    if len(wanted):
        places = np.minimum(np.searchsorted(wanted, pool.token_ids), len(wanted) - 1)
        slots, columns = np.nonzero(wanted[places] == pool.token_ids)
        masks = np.uint64(1) << (slots % 64).astype(np.uint64)
        np.bitwise_or.at(bits, (places[slots, columns], slots // 64), masks)
    rows = np.where(commonest >= 0, np.searchsorted(wanted, commonest), len(wanted))
    return rows.astype(np.int64), bits


@inlined
def _bit(words, slot):
    return (words[slot >> 6] >> np.uint64(slot & 63)) & np.uint64(1)


@compiled
def _choose(start, stop, numbers, order, key, fired, tokens, related, found):
    n_near, n_all = N_NEAR_SHOWN + N_NEAR_RESERVED, N_SHOWN + N_RESERVED
    near, plain = np.empty(n_near, np.int64), np.empty(n_all, np.int64)
    why, what = np.empty(n_near, np.uint8), np.empty(n_near, np.int64)
    for feature in range(start, stop):
        turn = np.int64(keyed(key, -1 - numbers[feature]) >> np.uint64(1)) % max(len(order), 1)
        found_near, found_plain = 0, 0
        for step in range(len(order)):
            slot = order[(turn + step) % len(order)]
            if _bit(fired[feature], slot):
                continue
            kind, source = 0, -1
            if found_near < n_near:
                kind, source = _near(feature, slot, fired, tokens, related)
            if kind:
                near[found_near], why[found_near], what[found_near] = slot, kind, source
                found_near += 1
            elif found_plain < n_all:
                plain[found_plain] = slot
                found_plain += 1
            if found_near == n_near and found_plain == n_all:
                break
        _share_out(feature, (near, why, what, found_near), plain[:found_plain], found)


@compiled
def _near(feature, slot, fired, tokens, related):
    commonest, rows, token_bits = tokens
    for i in range(commonest.shape[1]):
        if commonest[feature, i] >= 0 and _bit(token_bits[rows[feature, i]], slot):
            return HAS_COMMON_TOKEN, commonest[feature, i]
    for i in range(related.shape[1]):
        if related[feature, i] >= 0 and _bit(fired[related[feature, i]], slot):
            return RELATED_FIRES, related[feature, i]
    return BY_HASH, np.int64(-1)


@compiled
def _share_out(feature, nears, plain, found):
    """Near misses to those shown first; what they leave open is filled by hash alone, and said so."""
    near, why, what, n_near = nears
    chosen, reason, relative = found
    next_near, next_plain = 0, 0
    for place in range(N_SHOWN + N_RESERVED):
        is_shown = place < N_SHOWN
        in_part = place if is_shown else place - N_SHOWN
        wants_near = in_part < (N_NEAR_SHOWN if is_shown else N_NEAR_RESERVED)
        if next_near < n_near and (wants_near or next_plain == len(plain)):
            chosen[feature, place] = near[next_near]
            reason[feature, place], relative[feature, place] = why[next_near], what[next_near]
            next_near += 1
        elif next_plain < len(plain):
            chosen[feature, place] = plain[next_plain]
            next_plain += 1
