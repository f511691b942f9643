"""Folds what foreign dictionaries do around their weights into the weights, so that encoding is one product."""

from dataclasses import dataclass, replace
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

from worker.sae.errors import DictionaryError

UNIT_NORM_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class RawWeights:
    """Weights on their way to the canonical form; each method returns new ones that compute the same.

    threshold: for jumprelu, on pre-activations. Everything is float32.
    """

    W_enc: Float[Tensor, "d_in d_sae"]
    b_enc: Float[Tensor, " d_sae"]
    W_dec: Float[Tensor, "d_sae d_in"]
    b_dec: Float[Tensor, " d_in"]
    threshold: Float[Tensor, " d_sae"] | None = None

    def with_input_scale(self, scale: float) -> Self:
        """Weights made for scale * acts now read acts, and reconstruct acts."""
        if not scale > 0:
            raise DictionaryError(f"The input scale is {scale}; it has to be above 0.")
        return replace(self, W_enc=self.W_enc * scale, W_dec=self.W_dec / scale, b_dec=self.b_dec / scale)

    def with_centred_input(self) -> Self:
        """Weights made for acts - b_dec now read acts."""
        shift = self.b_dec.double() @ self.W_enc.double()
        return replace(self, b_enc=(self.b_enc.double() - shift).float())

    def with_activation_scale(self, scale: Float[Tensor, " d_sae"]) -> Self:
        """Activations that were multiplied by `scale` before decoding now decode to the same unmultiplied."""
        return replace(self, W_dec=self.W_dec * scale[:, None])

    def with_unit_decoder(self) -> Self:
        """Decoder rows of norm 1: each activation is multiplied by what its row's norm was.

        Changes which activations are largest, so for topk it is right only where selection already used the
        products of activation and norm. Rows of norm 0, and rows within 1e-6 of norm 1, stay as they are.
        """
        norms = row_norms(self.W_dec)
        keep = (norms == 0) | ((norms - 1).abs() <= UNIT_NORM_TOLERANCE)
        norms = torch.where(keep, torch.ones_like(norms), norms)
        return replace(
            self,
            W_enc=self.W_enc * norms,
            b_enc=self.b_enc * norms,
            W_dec=self.W_dec / norms[:, None],
            threshold=None if self.threshold is None else self.threshold * norms,
        )


def row_norms(W_dec: Float[Tensor, "d_sae d_in"]) -> Float[Tensor, " d_sae"]:
    """Length of each decoder row."""
    return W_dec.norm(dim=-1)
