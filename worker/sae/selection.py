"""Which pre-activations fire, and their values: the one rule of harvest and live inference, in torch and in NumPy."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

# More than the bias' addition can round away, as a share of threshold and bias.
ROUNDING = np.float32(2.0**-21)


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


def select_in_memory(
    pre_acts: Float[Tensor, "tile d_sae"], *, bias: np.ndarray, threshold: np.ndarray, k: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What `select_plainly` gives, for pre-activations in this machine's memory, in a tenth of its time.

    One comparison goes over all of them; the rule itself is asked of the few that it lets through.
    """
    values = pre_acts.float().numpy()
    if k is None:
        # Lets through whatever fires, and what is less than a rounding away.
        lowest = threshold - bias - ROUNDING * (np.abs(threshold) + np.abs(bias))
        places = np.flatnonzero(values > lowest)
        rows, features = np.divmod(places, values.shape[1])
        found = values.reshape(-1)[places] + bias[features]
        fires = found > threshold[features]
    else:
        values = values + bias
        kth = torch.topk(torch.from_numpy(values), k).values[:, -1].numpy()
        places = np.flatnonzero(values >= kth[:, None])
        rows, features = np.divmod(places, values.shape[1])
        found = values.reshape(-1)[places]
        fires = (found > threshold[features]) & _among_largest(rows, found > kth[rows], k)
    ends = np.cumsum(np.bincount(rows[fires], minlength=len(values)))
    return ends.astype(np.int64), features[fires].astype(np.int32), found[fires]


def _among_largest(rows: np.ndarray, is_above: np.ndarray, k: int) -> np.ndarray:
    """Of values at least as great as the k-th of their row: which are among the k, ties to the first of them."""
    n_above = np.bincount(rows[is_above], minlength=int(rows.max(initial=-1)) + 1)
    ties = np.cumsum(~is_above)
    starts = np.searchsorted(rows, rows)
    before = ties[starts] - ~is_above[starts]
    return is_above | (ties - before <= k - n_above[rows])


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
