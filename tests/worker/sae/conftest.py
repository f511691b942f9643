"""Dictionaries with seeded weights, one of each kind, for the tests of the mathematics and the formats."""

from collections.abc import Callable

import pytest
import torch

from worker.sae.conventions import Conventions
from worker.sae.dictionary import THRESHOLD_KINDS, Dictionary, Kind

D_IN, D_SAE, K = 6, 16, 3


@pytest.fixture
def make_dictionary() -> Callable[..., Dictionary]:
    """A seeded dictionary of a kind, with unit decoder rows; anything can be overridden."""

    def make(kind: Kind = "topk", **changes: object) -> Dictionary:
        generator = torch.Generator().manual_seed(7)
        rows = torch.nn.functional.normalize(torch.randn(D_SAE, D_IN, generator=generator), dim=-1)
        thresholded = kind in THRESHOLD_KINDS
        values = {
            "kind": kind,
            "d_in": D_IN,
            "d_sae": D_SAE,
            "W_enc": torch.randn(D_IN, D_SAE, generator=generator),
            "b_enc": torch.randn(D_SAE, generator=generator),
            "W_dec": rows,
            "b_dec": torch.randn(D_IN, generator=generator),
            "hook_name": "blocks.0.hook_resid_post",
            "model_name": "tiny",
            "conventions": Conventions(prepend_bos=True, n_ctx=32),
            "threshold": torch.rand(D_SAE, generator=generator) if thresholded else None,
            "k": K if kind == "topk" else None,
        }
        if kind == "neurons":
            values |= {"d_sae": D_IN, "W_enc": None, "W_dec": None, "b_enc": torch.zeros(D_IN)}
            values |= {"b_dec": torch.zeros(D_IN), "threshold": values["threshold"][:D_IN]}
        return Dictionary(**{**values, **changes})

    return make


@pytest.fixture
def acts() -> torch.Tensor:
    """Activations of 40 tokens."""
    return torch.randn(40, D_IN, generator=torch.Generator().manual_seed(3)) * 2


class TinyModel:
    """Embedding, one hook, unembedding: the smallest real model whose hook can be read and replaced."""

    d_model = 8
    conventions = Conventions(prepend_bos=True, n_ctx=8)

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(11)
        self.W_E = torch.randn(11, self.d_model, generator=generator)
        self.W_U = torch.randn(self.d_model, 11, generator=generator)

    def embed(self, token_ids: torch.Tensor) -> torch.Tensor:
        return self.W_E[token_ids]

    def unembed(self, resid: torch.Tensor) -> torch.Tensor:
        return torch.tanh(resid) @ self.W_U

    def activations(self, token_ids, hook_names):
        return {name: self.embed(token_ids) for name in hook_names}

    def logits(self, token_ids, *, edit=None):
        resid = self.embed(token_ids)
        for change in (edit or {}).values():
            resid = change(resid)
        return self.unembed(resid)


@pytest.fixture
def tiny_model() -> TinyModel:
    return TinyModel()
