"""A seeded model, corpus and dictionaries of any size for the benchmarks."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tokenizers
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from worker.corpus.contexts import ContextTable, cut_contexts
from worker.lm.model import LanguageModel, load_language_model
from worker.sae.conventions import Conventions
from worker.sae.dictionary import Dictionary

N_LAYERS, DEEPEST, HEAD_WIDTH, D_VOCAB = 6, 3, 64, 8192
_DOCUMENT_TOKENS, _DOCUMENT_SPREAD = 900, 1.0
_DENSITY_SPREAD = 1.0
_PILOT_CONTEXTS = 32


@dataclass(frozen=True, slots=True)
class Size:
    """What is measured. kind: relu, topk or jumprelu. dtype: of model and encode product."""

    d_model: int = 512
    d_sae: int = 16_384
    tokens: int = 1_000_000
    dictionaries: int = 1
    kind: str = "relu"
    l0: int = 64
    dtype: str = "auto"
    n_ctx: int = 128


def hook_name(number: int) -> str:
    """Dictionary 0 sits after layer 3, the next ones on the layers below it, round and round."""
    return f"blocks.{DEEPEST - 1 - number % DEEPEST}.hook_resid_post"


def make_model(size: Size, folder: Path) -> tuple[LanguageModel, nn.Module]:
    """A random GPT-2 of six layers as the harvest loads it, and the same three layers as plain Hugging Face modules."""
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=D_VOCAB,
        n_positions=max(1024, size.n_ctx),
        n_embd=size.d_model,
        n_layer=N_LAYERS,
        n_head=max(1, size.d_model // HEAD_WIDTH),
        bos_token_id=0,
        eos_token_id=0,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    model = load_language_model(folder, device="cpu", dtype=size.dtype)
    plain = GPT2LMHeadModel.from_pretrained(folder, dtype=model.dtype).transformer.eval()
    plain.h = plain.h[:DEEPEST]
    plain.ln_f = nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]
    return model, plain


def make_contexts(size: Size) -> ContextTable:
    """Documents of log-normal length and tokens of Zipf's law, some `size.tokens` of them."""
    generator = np.random.default_rng(0)
    lengths = generator.lognormal(np.log(_DOCUMENT_TOKENS), _DOCUMENT_SPREAD, 4 * size.tokens // _DOCUMENT_TOKENS + 4)
    lengths = np.maximum(lengths.astype(np.int64), 8)
    lengths = lengths[: int(np.searchsorted(np.cumsum(lengths), size.tokens)) + 1]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    starts[-1] = max(size.tokens, starts[-2] + 1)
    tokens = (generator.zipf(1.2, size=starts[-1]) % (D_VOCAB - 1) + 1).astype(np.uint16)
    return ContextTable(*cut_contexts(starts, size.n_ctx - 1), size.n_ctx, 0, 0, tokens, starts)


def make_dictionary(size: Size, number: int, *, model: LanguageModel, contexts: ContextTable) -> Dictionary:
    """Random directions whose firing is fitted to a pilot of a few thousand tokens."""
    pilot = contexts.token_ids(np.linspace(0, len(contexts.lengths) - 1, _PILOT_CONTEXTS).astype(np.int64))
    return dictionary_on(model, pilot, hook_name(number), size=size, seed=number)


def dictionary_on(
    model: LanguageModel, pilot: NDArray[np.int64], hook: str, *, size: Size, seed: int = 0
) -> Dictionary:
    """Random unit directions; biases (or thresholds) that give log-normal densities with the wanted L0 in the mean.

    Pre-activations of random directions are close to normal, so a feature's bias follows from its
    mean and spread on the pilot: token ids, (context, token), each context beginning with BOS.
    """
    generator = torch.Generator().manual_seed(seed)
    W_dec = nn.functional.normalize(torch.randn(size.d_sae, size.d_model, generator=generator), dim=-1)
    acts = model.activations(torch.from_numpy(pilot), (hook,))[hook][:, 1:].reshape(-1, size.d_model).float().cpu()
    mean, spread = acts.mean(0) @ W_dec.T, ((acts - acts.mean(0)) @ W_dec.T).std(0)
    density = torch.exp(_DENSITY_SPREAD * torch.randn(size.d_sae, generator=generator))
    density = (density / density.mean() * size.l0 / size.d_sae).clamp(1e-7, 0.5)
    bar = mean + spread * -torch.special.ndtri(density)
    zeros = torch.zeros(size.d_sae)
    made = Dictionary(
        kind="relu",
        d_in=size.d_model,
        d_sae=size.d_sae,
        W_enc=W_dec.T.contiguous(),
        b_enc=-bar,
        W_dec=W_dec,
        b_dec=torch.zeros(size.d_model),
        hook_name=hook,
        model_name=model.name,
        conventions=Conventions(prepend_bos=True, n_ctx=size.n_ctx),
    )
    if size.kind == "topk":
        return replace(made, kind="topk", b_enc=-mean, k=size.l0)
    if size.kind == "jumprelu":
        return replace(made, kind="jumprelu", b_enc=spread - bar, threshold=zeros + spread)
    return made


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """A token a byte and a BOS of id 0; no merges."""
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<|endoftext|>": 0, **{letter: number + 1 for number, letter in enumerate(letters)}}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|endoftext|>", eos_token="<|endoftext|>", pad_token="<|endoftext|>"
    )
