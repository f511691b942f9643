"""Gives a trained TopK dictionary a threshold per feature, so that what fires is strong by the feature's own measure.

TopK keeps a token's k largest pre-activations however small they are, so the weakest firings of a feature are often
only the best of a poor lot. A threshold drops them, and lets through what k had cut off although it was as strong.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from worker.sae.dictionary import Dictionary
from worker.train.errors import TrainingError

MIN_FIRINGS = 32


def with_thresholds(
    dictionary: Dictionary, blocks: Iterable[Float[Tensor, "_ d_in"]], *, quantile: float
) -> Dictionary:
    """The same weights as a JumpReLU dictionary; each feature's threshold is that quantile of its own TopK firings.

    blocks: activations (token, d_in) at the dictionary's hook, in its units; all that fires on them is kept in
    memory, 8 bytes a firing.
    quantile: 0 to 1, the share of a feature's firings to drop. A feature that fires fewer than MIN_FIRINGS times gets
    the quantile of all firings together, unless a firing of its own is below that.
    Source: one threshold for all features is Bussmann et al. 2024, "BatchTopK", arXiv 2412.06410, section 2.2;
    here each feature has its own, as in Rajamanoharan et al. 2024, arXiv 2407.14435.
    Raises TrainingError where the dictionary is not TopK, or nothing fires.
    """
    if dictionary.kind != "topk":
        raise TrainingError(f"Thresholds are set on a topk dictionary; this one is {dictionary.kind!r}.")
    if not 0 <= quantile <= 1:
        raise TrainingError(f"quantile is {quantile!r}; it has to be a share of the firings, 0 to 1.")
    features, values, n_tokens = _firings(dictionary, blocks)
    if not len(values):
        raise TrainingError("No feature fires on the given activations, so no threshold can be set; give more of them.")
    order = np.lexsort((values, features))
    ordered = values[order]
    ends = np.searchsorted(features[order], np.arange(dictionary.d_sae + 1))
    common = np.float32(np.quantile(values, quantile))
    thresholds = [_threshold(ordered[start:end], quantile, common) for start, end in pairwise(ends)]
    return replace(
        dictionary,
        kind="jumprelu",
        k=None,
        threshold=torch.tensor(thresholds, dtype=torch.float32, device=dictionary.device),
        metadata={**dictionary.metadata, "thresholds": {"k": dictionary.k, "quantile": quantile, "tokens": n_tokens}},
    )


def _firings(dictionary: Dictionary, blocks: Iterable[Float[Tensor, "_ d_in"]]) -> tuple[np.ndarray, np.ndarray, int]:
    features, values, n_tokens = [np.empty(0, np.int32)], [np.empty(0, np.float32)], 0
    for block in blocks:
        acts = dictionary.encode(block.to(dictionary.b_dec))
        fired = acts.nonzero(as_tuple=True)
        features.append(fired[1].cpu().numpy().astype(np.int32))
        values.append(acts[fired].cpu().numpy())
        n_tokens += len(block)
    return np.concatenate(features), np.concatenate(values), n_tokens


def _threshold(firings: np.ndarray, quantile: float, common: np.float32) -> float:
    """firings: one feature's, ascending."""
    if len(firings) >= MIN_FIRINGS:
        return float(np.quantile(firings, quantile))
    if not len(firings):
        return float(common)
    return float(min(common, np.nextafter(firings[0], np.float32(0))))
