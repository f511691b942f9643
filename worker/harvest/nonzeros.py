"""Compiled kernels that read pre-activations once and keep only what fires.

Pre-activations come without the bias, [token, feature], as float32 or as the raw bits of bfloat16; the bias is
added in float32 while the value is in a register. A row is cut into blocks: one pass notes which features of which
block pass, without a branch, and a second one goes to those alone.
"""

import numpy as np

from worker.harvest.compiled import compiled, inlined
from worker.harvest.lanes import above_1, above_16, lowest_bit, value_at

_BLOCK = 64
# How far below the k-th value of the token before a token is scanned at first.
_LOWERED = np.float32(0.93)


@compiled
def fire_above_threshold(pre_acts, bias, threshold, row_ends, features, activations):
    """Keep what lies strictly above its threshold, row after row.

    threshold: one number for all features, or one of each.
    Writes the end of each row in the flat outputs to row_ends.
    Returns the number of rows done: fewer than all when the outputs are too full for another one.
    """
    width = pre_acts.shape[1]
    found = _noted(width)
    end = np.uint64(0)
    for i in range(pre_acts.shape[0]):
        if end + np.uint64(width) > np.uint64(len(features)):
            return i
        end = _pass_row(pre_acts[i], bias, threshold, end, (features, activations), found)
        row_ends[i] = end
    return pre_acts.shape[0]


@inlined
def _noted(width):
    """Room for the blocks of a row in which something passes: where each begins, and which of it do."""
    return np.empty(width // _BLOCK + 1, np.uint64), np.empty(width // _BLOCK + 1, np.uint64)


@compiled
def _pass_row(row, bias, bar, end, outputs, found):
    features, activations = outputs
    begins, masks = found
    whole = len(row) // _BLOCK
    n = np.uint64(0)
    for block in range(whole):
        base = np.uint64(block * _BLOCK)
        begins[n], masks[n] = base, _mask_of_block(row, bias, bar, base)
        n += np.uint64(masks[n] != 0)
    for number in range(n):
        mask = masks[number]
        while mask != 0:
            j = begins[number] + lowest_bit(mask)
            mask &= mask - np.uint64(1)
            features[end], activations[end] = np.int32(j), value_at(row, bias, j)
            end += np.uint64(1)
    for j in range(np.uint64(whole * _BLOCK), np.uint64(len(row))):
        if above_1(row, bias, bar, j) != 0:
            features[end], activations[end] = np.int32(j), value_at(row, bias, j)
            end += np.uint64(1)
    return end


@inlined
def _mask_of_block(row, bias, bar, base):
    low = above_16(row, bias, bar, base) | (above_16(row, bias, bar, base + np.uint64(16)) << np.uint64(16))
    high = above_16(row, bias, bar, base + np.uint64(32)) | (
        above_16(row, bias, bar, base + np.uint64(48)) << np.uint64(16)
    )
    return low | (high << np.uint64(32))


@compiled
def keep_top_k(pre_acts, bias, first, best, n_best):
    """Let the features first to first + width of each row compete with the k best that were met before them.

    Only what is above 0 is kept; of equal values the lower index is. best: features and activations, [token, k],
    ascending by feature; n_best: how many of them there are. Features have to come in ascending order of `first`.

    A full list's least value is the bar for what comes. A list that is not full is scanned first from a guess, a
    little below the least value of the row before; where that leaves it unfilled, again from 0. The guess never
    shows in the result.
    """
    features, activations = best
    k, width = features.shape[1], pre_acts.shape[1]
    found = _noted(width)
    these = (np.empty(k + width, np.int32), np.empty(k + width, np.float32))
    scratch = np.empty(k + width, np.float32)
    guess = np.float32(0)
    for i in range(pre_acts.shape[0]):
        n = n_best[i]
        _copy(features[i], activations[i], n, these)
        bar = _least(these[1], n) if n == k else guess
        end = np.int64(_pass_row(pre_acts[i], bias, bar, np.uint64(n), these, found))
        if end < k and bar > 0:
            end = np.int64(_pass_row(pre_acts[i], bias, np.float32(0), np.uint64(n), these, found))
        for place in range(n, end):
            these[0][place] += first
        if end > k:
            end = _keep_best(_kth_largest(these[1], end, k, scratch), k, end, these)
        guess = _LOWERED * _least(these[1], end) if end == k else np.float32(0)
        _copy(these[0], these[1], end, (features[i], activations[i]))
        n_best[i] = end


@compiled
def _copy(features, activations, n, into):
    for place in range(n):
        into[0][place], into[1][place] = features[place], activations[place]


@compiled
def _least(activations, n):
    least = activations[0]
    for place in range(1, n):
        least = min(least, activations[place])
    return least


@compiled
def _kth_largest(values, n, k, scratch):
    """Quickselect (Hoare's partition) on a copy of the first n values."""
    for i in range(n):
        scratch[i] = values[i]
    low, high, wanted = 0, n - 1, k - 1
    while low < high:
        pivot = scratch[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while scratch[i] > pivot:
                i += 1
            while scratch[j] < pivot:
                j -= 1
            if i <= j:
                scratch[i], scratch[j] = scratch[j], scratch[i]
                i += 1
                j -= 1
        if wanted <= j:
            high = j
        elif wanted >= i:
            low = i
        else:
            break
    return scratch[wanted]


@compiled
def _keep_best(bar, k, n, these):
    """The k best of the first n, in their order; of those at the bar the first. Returns k."""
    features, activations = these
    above = 0
    for place in range(n):
        above += activations[place] > bar
    room_at_bar, end = k - above, 0
    for place in range(n):
        at_bar = activations[place] == bar
        if activations[place] > bar or (at_bar and room_at_bar > 0):
            room_at_bar -= at_bar
            features[end], activations[end] = features[place], activations[place]
            end += 1
    return end
