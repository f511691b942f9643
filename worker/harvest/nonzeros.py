"""Compiled kernels that read pre-activations once and keep only what fires.

Pre-activations come as the raw bits of bfloat16 or float32 (times `scale`, 65,536 or 1, they are a float32's),
without the bias, which is added here while the value is in a register. Rows are cut into blocks; a
block in which nothing passes costs one vectorised comparison.
"""

import numpy as np

from worker.harvest.compiled import compiled, inlined

_BLOCK = 64


@inlined
def _value(bits, scale, bias):
    return np.uint32(np.uint32(bits) * scale).view(np.float32) + bias


@compiled
def fire_above_threshold(rows, scale, bias, threshold, row_ends, features, activations):
    """Keep what lies strictly above the feature's threshold, row after row.

    rows: bits [token, d_sae]. Writes the end of each row in the flat outputs to row_ends.
    Returns the number of rows done: fewer than all when the outputs are too full for another one.
    """
    d_sae = rows.shape[1]
    end = np.uint64(0)
    for i in range(rows.shape[0]):
        if end + np.uint64(d_sae) > np.uint64(len(features)):
            return i
        end = _pass_row(rows[i], scale, bias, threshold, end, features, activations)
        row_ends[i] = end
    return rows.shape[0]


@compiled
def _pass_row(row, scale, bias, threshold, end, features, activations):
    """Unsigned indices and a fixed block length are what lets LLVM vectorise the comparison."""
    whole = len(row) // _BLOCK
    for block in range(whole):
        base = np.uint64(block * _BLOCK)
        hit = np.uint32(0)
        for offset in range(_BLOCK):
            j = base + np.uint64(offset)
            hit |= np.uint32(_value(row[j], scale, bias[j]) > threshold[j])
        if hit:
            for offset in range(_BLOCK):
                j = base + np.uint64(offset)
                value = _value(row[j], scale, bias[j])
                if value > threshold[j]:
                    features[end] = np.int32(j)
                    activations[end] = value
                    end += np.uint64(1)
    for j in range(np.uint64(whole * _BLOCK), np.uint64(len(row))):
        value = _value(row[j], scale, bias[j])
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
    bars = np.zeros(d_sae, np.float32)
    end = np.uint64(0)
    for i in range(rows.shape[0]):
        if end + np.uint64(d_sae) > np.uint64(len(features)):
            return i
        stop = _pass_row(rows[i], scale, bias, bars, end, features, activations)
        if stop - end < k and bars[0] > 0:
            _fill(bars, np.float32(0))
            stop = _pass_row(rows[i], scale, bias, bars, end, features, activations)
        bar = np.float32(0)
        if stop - end >= k:
            bar = _kth_largest(activations[end:stop], k, scratch)
            stop = end + _keep_best(bar, k, features[end:stop], activations[end:stop])
        _fill(bars, bar * np.float32(0.85))
        end = stop
        row_ends[i] = end
    return rows.shape[0]


@compiled
def _fill(values, value):
    for i in range(len(values)):
        values[i] = value


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
