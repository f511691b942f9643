"""Which pre-activations fire, and their values: the one rule of harvest and live inference, in plain torch."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor


def select_plainly(
    pre_acts: Float[Tensor, "tile d_sae"], *, bias: np.ndarray, threshold: np.ndarray, k: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row ends, features and activations of what fires, by torch alone, on the device of pre_acts.

    pre_acts: without the bias, in any dtype; bias and comparison are float32. A feature fires where its
    pre-activation is strictly above its threshold and, where k is given, among the token's k largest, ties to the
    lower index. Features ascend within a row.
    """
    values = pre_acts.float() + torch.from_numpy(bias).to(pre_acts.device)
    fires = fires_plainly(values, threshold=threshold, k=k)
    ends = fires.sum(-1).cumsum(0).cpu().numpy().astype(np.int64)
    features = fires.nonzero()[:, 1].to(torch.int32).cpu().numpy()
    return ends, features, values[fires].cpu().numpy()


def fires_plainly(
    values: Float[Tensor, "tile d_sae"], *, threshold: np.ndarray, k: int | None
) -> Bool[Tensor, "tile d_sae"]:
    """Which features fire. values: pre-activations with their bias; the rule is that of `select_plainly`."""
    fires = values > torch.from_numpy(threshold).to(values.device)
    if k is not None:
        bar = torch.topk(values, k, dim=-1).values[:, -1:]
        above = values > bar
        at_bar = values == bar
        fires &= above | (at_bar & (at_bar.cumsum(-1) <= k - above.sum(-1, keepdim=True)))
    return fires


def margin_of(
    pre_acts: Float[Tensor, "tile d_sae"], feature: int, *, bias: np.ndarray, threshold: np.ndarray, k: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """The pre-activation of one feature at each token, bias included, and the bar it must be above to fire.

    The bar is the threshold; where k is given, at least what the k-th largest of the others' values is. NaN-free.
    """
    values = pre_acts.float() + torch.from_numpy(bias).to(pre_acts.device)
    own = values[:, feature].clone()
    bar = torch.full_like(own, float(threshold[feature]))
    if k is not None and k < values.shape[1]:
        values[:, feature] = -torch.inf
        bar = torch.maximum(bar, torch.topk(values, k, dim=-1).values[:, -1])
    return own.cpu().numpy(), bar.cpu().numpy()
