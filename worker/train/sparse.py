"""Products with codes of which only k a token are not 0, so that training never does dense work over d_sae.

Codes are (feature index, value) pairs, k a token. Each function exists compiled for the CPU and in torch for other
devices; both give the same sums up to rounding, and the compiled ones the same bits on any number of threads.
"""

import numba
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

GATHERED_FLOATS = 1 << 24
SCANNED = 16
KEPT = 8


def follow_torch_threads() -> None:
    """Lets compiled code use as many threads as torch does, in the calling thread."""
    launched = numba.config.NUMBA_NUM_THREADS  # pyright: ignore[reportPrivateImportUsage, reportAttributeAccessIssue]
    numba.set_num_threads(min(torch.get_num_threads(), launched))


def largest(pre_acts: Float[Tensor, "token d_sae"], k: int) -> tuple[Int[Tensor, "token k"], Float[Tensor, "token k"]]:
    """Each token's k largest positive values, in no order: (feature indices, values).

    Where fewer than k are positive, the places left over have index 0 and value 0.
    """
    if pre_acts.device.type == "cpu":
        indices = torch.zeros(len(pre_acts), k, dtype=torch.int64)
        values = torch.zeros(len(pre_acts), k)
        _largest(pre_acts.numpy(), k, indices.numpy(), values.numpy())
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
        _dots(indices.numpy(), vectors.numpy(), rows.numpy(), out.numpy())
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
        _row_sums((offsets, order), values.numpy().reshape(-1), vectors.numpy(), out.numpy())
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


@numba.njit(cache=True)
def _group(flat, cursor, places):  # noqa: ANN001, ANN202
    for place in range(len(flat)):
        feature = flat[place]
        places[cursor[feature]] = place
        cursor[feature] += 1


@numba.njit(parallel=True, fastmath=True, cache=True)
def _largest(pre_acts, k, indices, values):  # noqa: ANN001, ANN202
    """Scans a token's values in short stretches, keeping those above a bar that rises as more are found."""
    n_tokens, d_sae = pre_acts.shape
    room = KEPT * k
    for token in numba.prange(n_tokens):
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


@numba.njit(cache=True)
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


@numba.njit(parallel=True, fastmath=True, cache=True)
def _dots(indices, vectors, rows, out):  # noqa: ANN001, ANN202
    n_tokens, k = indices.shape
    for token in numba.prange(n_tokens):
        for j in range(k):
            row = rows[indices[token, j]]
            total = np.float32(0)
            for i in range(row.shape[0]):
                total += row[i] * vectors[token, i]
            out[token, j] = total


@numba.njit(parallel=True, fastmath=True, cache=True)
def _row_sums(groups, values, vectors, out):  # noqa: ANN001, ANN202
    offsets, places = groups
    k = len(values) // vectors.shape[0]
    for feature in numba.prange(len(offsets) - 1):
        row = out[feature]
        for n in range(offsets[feature], offsets[feature + 1]):
            place = places[n]
            value = values[place]
            vector = vectors[place // k]
            for i in range(row.shape[0]):
                row[i] += value * vector[i]
