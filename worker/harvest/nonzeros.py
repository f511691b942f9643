"""Compiled kernels that read pre-activations once and keep only what fires.

Pre-activations come as the raw bits of bfloat16 or float32 (times `scale`, 65,536 or 1, they are a float32's),
without the bias, which is added here while the value is in a register. Rows are cut into blocks; a
block in which nothing passes costs one vectorised comparison.
"""

import numpy as np
from jaxtyping import Float32

from worker.harvest.compiled import compiled, inlined

_BLOCK = 64


@inlined
def _value(bits, scale):
    return np.uint32(np.uint32(bits) * scale).view(np.float32)


@compiled
def fire_above_threshold(rows, scale, rule, row_ends, features, activations):
    """Keep what lies strictly above the feature's threshold, row after row.

    rows: bits [token, d_sae]. rule: bias and threshold of each feature, and the bar from `bars_of`.
    Writes the end of each row in the flat outputs to row_ends.
    Returns the number of rows done: fewer than all when the outputs are too full for another one.
    """
    d_sae = rows.shape[1]
    outputs = (features, activations, np.empty(d_sae // _BLOCK + 2, np.uint64))
    end = np.uint64(0)
    for i in range(rows.shape[0]):
        if end + np.uint64(d_sae) > np.uint64(len(features)):
            return i
        end = _pass_row(rows[i], scale, rule, end, outputs)
        row_ends[i] = end
    return rows.shape[0]


def bars_of(
    bias: Float32[np.ndarray, " d_sae"], threshold: Float32[np.ndarray, " d_sae"]
) -> Float32[np.ndarray, " d_sae"]:
    """What a pre-activation without its bias must be above to have a chance of passing its threshold.

    It lies below threshold - bias by more than the rounding of adding the bias, so nothing is lost.
    """
    wide_bias, wide_threshold = bias.astype(np.float64), threshold.astype(np.float64)
    slack = 2.0**-22 * (np.abs(wide_bias) + np.abs(wide_threshold))
    return np.nextafter((wide_threshold - wide_bias - slack).astype(np.float32), np.float32(-np.inf))


@compiled
def _pass_row(row, scale, rule, end, outputs):
    """First the blocks in which anything passes its bar, then the values of those alone.

    Unsigned indices and a fixed length are what lets LLVM vectorise the first.
    """
    bias, threshold, bars = rule
    features, activations, hits = outputs
    whole = len(row) // _BLOCK
    n_hits = np.uint64(0)
    for block in range(whole):
        base = np.uint64(block * _BLOCK)
        hit = np.uint32(0)
        for offset in range(_BLOCK):
            j = base + np.uint64(offset)
            hit |= np.uint32(_value(row[j], scale) > bars[j])
        hits[n_hits] = base
        n_hits += np.uint64(hit != 0)
    hits[n_hits] = np.uint64(whole * _BLOCK)
    for number in range(n_hits + np.uint64(1)):
        base = np.uint64(hits[number])
        for j in range(base, min(base + np.uint64(_BLOCK), np.uint64(len(row)))):
            value = _value(row[j], scale) + bias[j]
            if value > threshold[j]:
                features[end] = np.int32(j)
                activations[end] = value
                end += np.uint64(1)
    return end


@compiled
def fire_top_k(rows, scale, bias, k, row_ends, features, activations):
    """Keep the k largest of each row that are above 0; of equal values the lower index is kept.

    The k-th value of the row before, a little lowered, is the guess with which a row is scanned;
    where fewer than k pass it, the row is scanned again from 0. The guess never shows in the result.
    Arguments as in `fire_above_threshold`.
    """
    d_sae = rows.shape[1]
    scratch = np.empty(d_sae, np.float32)
    guesses, bars = np.zeros(d_sae, np.float32), np.empty(d_sae, np.float32)
    rule = (bias, guesses, bars)
    _set_guess(np.float32(0), rule)
    outputs = (features, activations, np.empty(d_sae // _BLOCK + 2, np.uint64))
    end = np.uint64(0)
    for i in range(rows.shape[0]):
        if end + np.uint64(d_sae) > np.uint64(len(features)):
            return i
        stop = _pass_row(rows[i], scale, rule, end, outputs)
        if stop - end < k and guesses[0] > 0:
            _set_guess(np.float32(0), rule)
            stop = _pass_row(rows[i], scale, rule, end, outputs)
        bar = np.float32(0)
        if stop - end >= k:
            bar = _kth_largest(activations[end:stop], k, scratch)
            stop = end + _keep_best(bar, k, features[end:stop], activations[end:stop])
        # Setting the guess costs as much as a scan, so it is only done where it is far off.
        if not np.float32(0.85) * bar <= guesses[0] <= np.float32(0.97) * bar:
            _set_guess(bar * np.float32(0.93), rule)
        end = stop
        row_ends[i] = end
    return rows.shape[0]


@compiled
def _set_guess(guess, rule):
    bias, guesses, bars = rule
    for j in range(len(bias)):
        guesses[j] = guess
        bars[j] = guess - bias[j] - np.float32(2.0**-21) * (abs(bias[j]) + guess) - np.float32(1e-30)


@compiled
def _kth_largest(values, k, scratch):
    """Quickselect (Hoare's partition) on a copy of the values."""
    n = len(values)
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
def _keep_best(bar, k, features, activations):
    above = 0
    for i in range(len(activations)):
        above += activations[i] > bar
    room_at_bar = k - above
    end = np.uint64(0)
    for i in range(len(activations)):
        at_bar = activations[i] == bar
        if activations[i] > bar or (at_bar and room_at_bar > 0):
            room_at_bar -= at_bar
            features[end] = features[i]
            activations[end] = activations[i]
            end += np.uint64(1)
    return end
