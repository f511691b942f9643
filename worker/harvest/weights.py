"""What a dictionary's weights alone say of every feature, in blocks that never grow with their square."""

from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import normalize

from worker.harvest.result import LogitColumns, WeightResult

N_LOGITS = 10
N_NEIGHBOURS = 10
LOGIT_BINS = 40
BLOCK_BYTES = 8 * 2**20


class Path(Protocol):
    """The straight way from a direction at the hook to the logits; to_residual None is the identity."""

    @property
    def to_residual(self) -> Tensor | None: ...
    @property
    def W_U(self) -> Tensor: ...
    @property
    def final_norm_scale(self) -> Tensor | None: ...
    @property
    def final_norm_centres(self) -> bool: ...


class DictionaryWeights(Protocol):
    """Weights of a dictionary; None is the identity."""

    @property
    def d_sae(self) -> int: ...
    @property
    def W_enc(self) -> Tensor | None: ...
    @property
    def W_dec(self) -> Tensor | None: ...
    @property
    def decoder_norms(self) -> Tensor | None: ...


def weight_results(
    dictionary: DictionaryWeights, logit_path: Path | None, features: Int64[np.ndarray, " feature"] | None = None
) -> WeightResult:
    """Logit effects, nearest features, encoder-decoder cosine and decoder norm of every feature.

    features: those wanted, in order; None for all. The nearest are found among all.

    Neurons have unit vectors as decoder directions, so all their cosines are 0; their nearest
    features are by the cosine of what they write to the residual stream, where there is a path.
    decoder_norm is as stored in the dictionary's file. logits is None where there is no path.
    """
    directions = None if dictionary.W_dec is None else dictionary.W_dec.detach().float()
    rows = torch.arange(dictionary.d_sae) if features is None else torch.from_numpy(features)
    if directions is None and logit_path is not None and logit_path.to_residual is not None:
        indices, cosines = nearest_features(logit_path.to_residual.float(), rows)
    elif directions is None:
        indices, cosines = np.empty((len(rows), 0), np.int64), np.empty((len(rows), 0), np.float32)
    else:
        indices, cosines = nearest_features(directions, rows)
    return WeightResult(
        logits=None if logit_path is None else logit_effects(directions, logit_path, rows=rows),
        neighbour_indices=indices,
        neighbour_cosines=cosines,
        encoder_decoder_cosine=_encoder_decoder_cosine(dictionary)[rows.numpy()],
        decoder_norm=_decoder_norm(dictionary)[rows.numpy()],
    )


def nearest_features(
    directions: Float[Tensor, "d_sae d_in"], rows: Int64[Tensor, " row"]
) -> tuple[np.ndarray, np.ndarray]:
    """The ten other features of greatest cosine to each of some, nearest first, and the cosines.

    Fewer of a small dictionary.
    """
    unit = normalize(directions, dim=-1)
    n = min(N_NEIGHBOURS, len(unit) - 1)
    indices, cosines = [], []
    for start, stop in _blocks(len(rows), len(unit)):
        wanted = rows[start:stop].to(unit.device)
        block = unit[wanted] @ unit.T
        block[torch.arange(stop - start, device=unit.device), wanted] = -torch.inf
        best = torch.topk(block, n, dim=-1)
        indices.append(best.indices.cpu())
        cosines.append(best.values.clamp(-1, 1).cpu())
    return torch.cat(indices).numpy(), torch.cat(cosines).numpy()


def logit_effects(
    directions: Float[Tensor, "d_sae d_in"] | None, path: Path, *, rows: Int64[Tensor, " row"]
) -> LogitColumns:
    """Direct effect of one unit of each of some features on the logits, centred over the vocabulary.

    directions: decoder rows of all, None for unit vectors. rows: the features.
    The final norm's gain is applied where the model has one, and its centring where it centres; its division by the
    residual's size is not, so the effects are in units of logits times that size. Later layers are left out.
    Source: nostalgebraist 2020, "interpreting GPT: the logit lens"; Bricken et al. 2023.
    """
    W_U = path.W_U.float()
    if path.final_norm_scale is not None:
        W_U = path.final_norm_scale.float()[:, None] * W_U
    W_U = W_U - W_U.mean(1, keepdim=True)
    if path.final_norm_centres:
        W_U = W_U - W_U.mean(0, keepdim=True)
    columns = [
        _block_effects(_residual_directions(directions, path, rows[start:stop]) @ W_U)
        for start, stop in _blocks(len(rows), W_U.shape[1])
    ]
    promoted_ids, promoted, suppressed_ids, suppressed, low, high, counts = (
        torch.cat(parts).cpu().numpy() for parts in zip(*columns, strict=True)
    )
    return LogitColumns(
        promoted_ids,
        promoted,
        suppressed_ids,
        suppressed,
        low,
        high,
        counts,
        final_norm_scale=path.final_norm_scale is not None,
    )


def _residual_directions(
    directions: Float[Tensor, "d_sae d_in"] | None, path: Path, rows: Int64[Tensor, " block"]
) -> Float[Tensor, "block d_model"]:
    device = path.W_U.device
    if directions is not None:
        block = directions[rows.to(directions.device)].to(device)
        return block if path.to_residual is None else block @ path.to_residual.float()
    if path.to_residual is not None:
        return path.to_residual[rows.to(device)].float()
    return torch.eye(path.W_U.shape[0], device=device)[rows.to(device)]


def _block_effects(effects: Float[Tensor, "block d_vocab"]) -> tuple[Tensor, ...]:
    n = min(N_LOGITS, effects.shape[1])
    promoted, suppressed = torch.topk(effects, n, dim=-1), torch.topk(effects, n, dim=-1, largest=False)
    low, high = effects.amin(-1), effects.amax(-1)
    width = (high - low).clamp(min=torch.finfo(torch.float32).tiny)
    bins = ((effects - low[:, None]) / width[:, None] * LOGIT_BINS).long().clamp(0, LOGIT_BINS - 1)
    counts = torch.zeros(len(effects), LOGIT_BINS, dtype=torch.int64, device=effects.device)
    counts.scatter_add_(1, bins, torch.ones_like(bins))
    return promoted.indices, promoted.values, suppressed.indices, suppressed.values, low, high, counts


def _blocks(n_rows: int, row_floats: int) -> list[tuple[int, int]]:
    size = max(1, BLOCK_BYTES // (4 * row_floats))
    return [(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]


def _encoder_decoder_cosine(dictionary: DictionaryWeights) -> np.ndarray:
    if dictionary.W_enc is None or dictionary.W_dec is None:
        return np.ones(dictionary.d_sae, np.float32)
    encoder = normalize(dictionary.W_enc.detach().float(), dim=0)
    decoder = normalize(dictionary.W_dec.detach().float(), dim=-1)
    return torch.einsum("df,fd->f", encoder, decoder).cpu().numpy()


def _decoder_norm(dictionary: DictionaryWeights) -> np.ndarray:
    if dictionary.decoder_norms is not None:
        return dictionary.decoder_norms.detach().float().cpu().numpy()
    if dictionary.W_dec is None:
        return np.ones(dictionary.d_sae, np.float32)
    return dictionary.W_dec.detach().float().norm(dim=-1).cpu().numpy()
