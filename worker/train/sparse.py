"""Products with codes of which only k a token are not 0, so that training never does dense work over d_sae.

Codes are (feature index, value) pairs, k a token. Each function exists compiled for the CPU and in torch for other
devices; both give the same sums up to rounding, and the compiled ones the same bits on any number of threads.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import no_type_check

import numba
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

GATHERED_FLOATS = 1 << 24
SCANNED = 16
KEPT = 8


def largest(pre_acts: Float[Tensor, "token d_sae"], k: int) -> tuple[Int[Tensor, "token k"], Float[Tensor, "token k"]]:
    """Each token's k largest positive values, in no order: (feature indices, values).

    Where fewer than k are positive, the places left over have index 0 and value 0.
    """
    if pre_acts.device.type == "cpu":
        indices = torch.zeros(len(pre_acts), k, dtype=torch.int64)
        values = torch.zeros(len(pre_acts), k)
        _in_ranges(_largest, len(pre_acts), pre_acts.numpy(), indices.numpy(), values.numpy())
        return indices, values
    values, indices = torch.topk(pre_acts, k, dim=-1, sorted=False)
    return torch.where(values > 0, indices, 0), values.clamp(min=0)


def decode(
    indices: Int[Tensor, "token k"], values: Float[Tensor, "token k"], rows: Float[Tensor, "d_sae d"]
) -> Float[Tensor, "token d"]:
    """Sum over each token's features of value times row."""
    return torch.nn.functional.embedding_bag(indices, rows, per_sample_weights=values, mode="sum")


def dots(
    indices: Int[Tensor, "token k"], vectors: Float[Tensor, "token d"], rows: Float[Tensor, "d_sae d"]
) -> Float[Tensor, "token k"]:
    """Inner product of each token's vector with the rows of its features."""
    if vectors.device.type == "cpu":
        out = torch.empty(indices.shape)
        _in_ranges(_dots, len(indices), indices.numpy(), vectors.numpy(), rows.numpy(), out.numpy())
        return out
    tokens = max(1, GATHERED_FLOATS // (indices.shape[1] * rows.shape[1]))
    parts = zip(indices.split(tokens), vectors.split(tokens), strict=True)
    return torch.cat([torch.einsum("tkd,td->tk", rows[chosen], vector) for chosen, vector in parts])


def row_sums(
    indices: Int[Tensor, "token k"], values: Float[Tensor, "token k"], vectors: Float[Tensor, "token d"], d_sae: int
) -> Float[Tensor, "d_sae d"]:
    """For each feature the sum over tokens of its value times the token's vector: the gradient of its row."""
    if vectors.device.type == "cpu":
        out = torch.zeros(d_sae, vectors.shape[1])
        offsets, order = by_feature(indices, d_sae)
        _in_ranges(_row_sums, d_sae, offsets, order, values.numpy(), vectors.numpy(), out.numpy())
        return out
    out = torch.zeros(d_sae, vectors.shape[1], device=vectors.device)
    tokens = max(1, GATHERED_FLOATS // (indices.shape[1] * vectors.shape[1]))
    for chosen, value, vector in zip(indices.split(tokens), values.split(tokens), vectors.split(tokens), strict=True):
        out.index_add_(0, chosen.flatten(), (value[..., None] * vector[:, None]).flatten(0, 1))
    return out


def feature_sums(
    indices: Int[Tensor, "token k"], values: Float[Tensor, "token k"], d_sae: int
) -> Float[Tensor, " d_sae"]:
    """Sum over tokens of each feature's values."""
    out = torch.zeros(d_sae, device=values.device)
    return out.index_add_(0, indices.flatten(), values.flatten())


def by_feature(indices: Int[Tensor, "token k"], d_sae: int) -> tuple[np.ndarray, np.ndarray]:
    """Places in the flattened `indices`, grouped by feature and in order within: (offsets[d_sae + 1], places)."""
    flat = indices.numpy().reshape(-1)
    offsets = np.zeros(d_sae + 1, dtype=np.int64)
    np.cumsum(np.bincount(flat, minlength=d_sae), out=offsets[1:])
    places = np.empty(len(flat), dtype=np.int64)
    _group(flat, offsets[:-1].copy(), places)
    return offsets, places


def _in_ranges(kernel: Callable[..., None], length: int, *arrays: np.ndarray) -> None:
    """Calls kernel((start, stop), arrays) for as many ranges as torch has threads; one range needs no thread."""
    n_threads = min(torch.get_num_threads(), length)
    if n_threads <= 1:
        kernel((0, length), arrays)
        return
    edges = [length * i // n_threads for i in range(n_threads + 1)]
    list(_threads(n_threads).map(lambda ends: kernel(ends, arrays), pairwise(edges)))


@cache
def _threads(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, thread_name_prefix="sparse")


@numba.njit(nogil=True, cache=True)
@no_type_check
def _group(flat, cursor, places):  # noqa: ANN001, ANN202
    for place in range(len(flat)):
        feature = flat[place]
        places[cursor[feature]] = place
        cursor[feature] += 1


@numba.njit(nogil=True, fastmath=True, cache=True)
@no_type_check
def _largest(ends, arrays):  # noqa: ANN001, ANN202
    """Scans a token's values in short stretches, keeping those above a bar that rises as more are found."""
    pre_acts, indices, values = arrays
    d_sae, k = pre_acts.shape[1], indices.shape[1]
    room = KEPT * k
    for token in range(ends[0], ends[1]):
        found_at = np.empty(room + SCANNED, dtype=np.int64)
        found = np.empty(room + SCANNED, dtype=np.float32)
        n = 0
        bar = np.float32(0)
        row = pre_acts[token]
        for start in range(0, d_sae, SCANNED):
            stop = min(start + SCANNED, d_sae)
            above = 0
            for i in range(start, stop):
                above += row[i] > bar
            if above:
                for i in range(start, stop):
                    found[n] = row[i]
                    found_at[n] = i
                    n += row[i] > bar
                if n >= room:
                    bar = _keep_largest(found, found_at, n, k)
                    n = k
        if n > k:
            _keep_largest(found, found_at, n, k)
        for j in range(min(n, k)):
            values[token, j] = found[j]
            indices[token, j] = found_at[j]


@numba.njit(nogil=True, cache=True)
@no_type_check
def _keep_largest(found, found_at, n, k):  # noqa: ANN001, ANN202
    """Moves the k largest of the first n to the front, by quickselect; the smallest of those is returned."""
    low, high = 0, n - 1
    while low < high:
        pivot = found[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while found[i] > pivot:
                i += 1
            while found[j] < pivot:
                j -= 1
            if i <= j:
                found[i], found[j] = found[j], found[i]
                found_at[i], found_at[j] = found_at[j], found_at[i]
                i += 1
                j -= 1
        if k - 1 <= j:
            high = j
        elif k - 1 >= i:
            low = i
        else:
            break
    return found[:k].min()


@numba.njit(nogil=True, fastmath=True, cache=True)
@no_type_check
def _dots(ends, arrays):  # noqa: ANN001, ANN202
    indices, vectors, rows, out = arrays
    for token in range(ends[0], ends[1]):
        for j in range(indices.shape[1]):
            row = rows[indices[token, j]]
            total = np.float32(0)
            for i in range(row.shape[0]):
                total += row[i] * vectors[token, i]
            out[token, j] = total


@numba.njit(nogil=True, fastmath=True, cache=True)
@no_type_check
def _row_sums(ends, arrays):  # noqa: ANN001, ANN202
    offsets, places, values, vectors, out = arrays
    k = values.shape[1]
    for feature in range(ends[0], ends[1]):
        row = out[feature]
        for n in range(offsets[feature], offsets[feature + 1]):
            place = places[n]
            token = place // k
            value = values[token, place % k]
            vector = vectors[token]
            for i in range(row.shape[0]):
                row[i] += value * vector[i]
