"""The tiny model with dictionaries of several kinds, ready for live requests."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.tiny import D_SAE, HOOK, TinyWorld, tiny_dictionary
from worker.live.decoder import LiveDecoder
from worker.live.dictionary import LiveDictionary
from worker.live.encode import LiveEncoder
from worker.lm.model import LanguageModel, load_language_model
from worker.sae.dictionary import Dictionary

EARLY_HOOK = "blocks.0.hook_resid_pre"


@pytest.fixture(scope="session")
def model(tiny_world: TinyWorld) -> LanguageModel:
    return load_language_model(tiny_world.model, device="cpu", dtype="float32")


def relu() -> Dictionary:
    return tiny_dictionary()


def top_k(k: int = 3, *, hook_name: str = EARLY_HOOK) -> Dictionary:
    return replace(tiny_dictionary(hook_name=hook_name, seed=5), kind="topk", k=k)


def without_bos(dictionary: Dictionary, n_ctx: int = 32) -> Dictionary:
    return replace(dictionary, conventions=replace(dictionary.conventions, prepend_bos=False, n_ctx=n_ctx))


def live(dictionary: Dictionary, model: LanguageModel) -> LiveDictionary:
    conventions = dictionary.conventions
    return LiveDictionary(
        hash=dictionary.hash,
        model=model,
        hook_name=dictionary.hook_name,
        encoder=LiveEncoder(dictionary.harvest_weights(), dtype=model.dtype, device=model.device),
        bos_id=model.tokenizer.bos_id if conventions.prepend_bos else None,
        n_ctx=conventions.n_ctx,
        excluded_ids=frozenset({*model.tokenizer.special_ids, *conventions.excluded_tokens}),
        decoder=LiveDecoder(dictionary.W_dec, dictionary.b_dec, device=model.device),
    )


def dense(model: LanguageModel, dictionary: Dictionary, token_ids: list[int]) -> np.ndarray:
    """Feature activations of a context the slow way, (token, feature): by itself, through the dictionary's encode.

    Special tokens, excluded ones and the first count for nothing.
    """
    acts = model.activations(torch.tensor([token_ids]), (dictionary.hook_name,))[dictionary.hook_name]
    values = dictionary.encode(acts[0]).numpy().copy()
    left_out = {*model.tokenizer.special_ids, *dictionary.conventions.excluded_tokens}
    values[[0, *(at for at, token in enumerate(token_ids) if token in left_out)]] = 0
    return values


def as_dense(token_ids, positions, features, activations, *, d_sae: int = D_SAE) -> np.ndarray:
    """Sparse firings as (token, feature)."""
    values = np.zeros((len(token_ids), d_sae), np.float32)
    values[positions, features] = activations
    return values


__all__ = ["EARLY_HOOK", "HOOK", "as_dense", "dense", "live", "relu", "top_k", "without_bos"]
