"""A harvest of some features only: how they are named, and an encoder that yields no others.

Within the reducers features are numbered from 0 in the order of their numbers in the dictionary; what is drawn by hash
uses the numbers in the dictionary, so that a feature's samples are those it has in a harvest of all.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from worker.harvest.encode import Encoder, HarvestWeights
from worker.harvest.errors import HarvestError
from worker.harvest.firings import TokenRows
from worker.harvest.threads import Threads

LAST_OF_ANY = 2**24
Numbers = Int64[np.ndarray, " feature"]


def parse_features(text: str) -> Numbers:
    """The numbers that a text such as '0-4095,5000' names, ascending. Raises HarvestError where it names none."""
    ranges = [part.strip().partition("-") for part in text.split(",")]
    bounds = [(first, last if dash else first) for first, dash, last in ranges]
    if not all(first.isdecimal() and last.isdecimal() and int(first) <= int(last) for first, last in bounds):
        raise HarvestError(f"{text!r} names no features; expected numbers and ranges, such as 0-4095,5000.")
    if any(len(last) > 9 or int(last) > LAST_OF_ANY for _, last in bounds):
        raise HarvestError(f"{text!r} names features beyond any dictionary.")
    return np.unique(np.concatenate([np.arange(int(first), int(last) + 1) for first, last in bounds]))


def name_features(numbers: Iterable[int]) -> str:
    """The shortest text that `parse_features` takes for these numbers."""
    runs = [list(run) for _, run in groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0])]
    return ",".join(f"{run[0][1]}-{run[-1][1]}" if len(run) > 1 else str(run[0][1]) for run in runs)


def features_of(text: str | None, d_sae: int) -> Numbers:
    """The features that a plan reduces: those it names, or all. Raises HarvestError on one beyond the dictionary."""
    if text is None:
        return np.arange(d_sae)
    numbers = parse_features(text)
    if numbers[-1] >= d_sae:
        raise HarvestError(f"The dictionary has features 0 to {d_sae - 1}; there is no feature {numbers[-1]}.")
    return numbers


def numbers_of(text: str | None, n: int) -> Numbers:
    """The numbers of n features that were reduced under a plan that names them, or of all n."""
    return np.arange(n) if text is None else parse_features(text)


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """Some columns of a dictionary's weights."""

    W_enc: np.ndarray | None
    b_enc: np.ndarray
    threshold: np.ndarray
    k: int | None = None


class SubsetEncoder:
    """Encodes for some features alone, numbered from 0.

    Where a threshold decides, only their columns are multiplied. Where the k largest decide, all are, and what fires
    of the others is left out.
    """

    def __init__(self, weights: HarvestWeights, features: Numbers, *, dtype: torch.dtype, device: torch.device) -> None:
        self.d_sae = len(features)
        self._inputs: Tensor | None = None
        self._places: np.ndarray | None = None
        if weights.k is not None:
            self._encoder = Encoder(weights, dtype=dtype, device=device)
            self._places = np.full(len(weights.b_enc), -1, np.int32)
            self._places[features] = np.arange(len(features))
            return
        W_enc = None if weights.W_enc is None else np.ascontiguousarray(weights.W_enc[:, features])
        columns = _Columns(W_enc, weights.b_enc[features], weights.threshold[features])
        self._encoder = Encoder(columns, dtype=dtype, device=device)
        if W_enc is None:
            self._inputs = torch.from_numpy(features)

    def fire(self, acts: Float[Tensor, "kept d_in"], threads: Threads) -> TokenRows:
        """Firings of each token."""
        if self._inputs is not None:
            acts = acts[:, self._inputs.to(acts.device)]
        found = self._encoder.fire(acts, threads)
        return found if self._places is None else _only(found, self._places)


def _only(rows: TokenRows, places: np.ndarray) -> TokenRows:
    """The rows without features that have no place, the others under their places."""
    local = places[rows.features]
    stays = local >= 0
    before = np.concatenate([[0], np.cumsum(stays)])
    return TokenRows(before[rows.ends], local[stays], rows.activations[stays])
