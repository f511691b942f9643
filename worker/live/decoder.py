"""What the features of a dictionary write: the directions that edits and attributions go along."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


class LiveDecoder:
    """The decoder of one dictionary, kept in main memory: a request needs a few of its rows.

    W_dec: None is the identity. device: where directions are wanted. Everything given is float32.
    """

    def __init__(
        self, W_dec: Float[Tensor, "d_sae d_in"] | None, b_dec: Float[Tensor, " d_in"], *, device: torch.device
    ) -> None:
        self._W_dec = None if W_dec is None else W_dec.detach().cpu()
        self.b_dec: Float[Tensor, " d_in"] = b_dec.detach().float().to(device)
        self.device = device

    @property
    def n_bytes(self) -> int:
        """Memory of the weights."""
        return 0 if self._W_dec is None else self._W_dec.numel() * self._W_dec.element_size()

    def directions(self, features: Sequence[int]) -> Float[Tensor, "asked d_in"]:
        """What one unit of each feature writes to the hook."""
        rows = torch.tensor(list(features), dtype=torch.int64)
        if self._W_dec is not None:
            return self._W_dec[rows].float().to(self.device)
        return torch.nn.functional.one_hot(rows, len(self.b_dec)).float().to(self.device)
