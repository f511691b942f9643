"""A tiny world on disk that every room boots through the real code: a seeded model, an SAE and a corpus.

The model is a 2-layer, width-16 GPT-2 with a byte-level tokenizer that knows no merges, so a token is a byte.
The SAE's first features are set by hand: 0 never fires, 1 always fires with activation 1.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from worker.sae.conventions import Conventions
from worker.sae.dictionary import Dictionary
from worker.sae.formats import save

D_MODEL = 16
D_SAE = 24
N_CTX = 32
HOOK = "blocks.1.hook_resid_pre"
DEAD, ALWAYS = 0, 1
MODEL_NAME = "tiny"
BOS = "<|endoftext|>"

WORDS = (
    "alpha",
    "beta",
    "gamma",
    "def",
    "class",
    "return",
    "import",
    "self",
    "for",
    "naïve",
    "東京",
    "\U0001f600",
    "None",
)


@dataclass(frozen=True, slots=True)
class TinyWorld:
    """Folders of a model, an SAE that fits it, and a corpus of text files (one a duplicate, one empty)."""

    model: Path
    sae: Path
    corpus: Path


def make_tiny_world(folder: Path) -> TinyWorld:
    """Write the whole world under `folder`; the same bytes each time."""
    model, sae, corpus = folder / "model", folder / "sae", folder / "corpus"
    write_model(model)
    save(tiny_dictionary(), sae)
    write_corpus(corpus)
    return TinyWorld(model, sae, corpus)


def write_model(folder: Path, *, seed: int = 0) -> None:
    """A Hugging Face folder: config.json, model.safetensors, tokenizer.json."""
    tokenizer = byte_tokenizer()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = GPT2Config(
            vocab_size=len(tokenizer),
            n_positions=64,
            n_embd=D_MODEL,
            n_layer=2,
            n_head=2,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.bos_token_id,
        )
        model = GPT2LMHeadModel(config)
        for parameter in model.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """256 byte tokens and one special token, byte-level BPE without merges."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {BOS: 0, **{letter: i + 1 for i, letter in enumerate(alphabet)}}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=BOS, eos_token=BOS)


def tiny_dictionary(*, hook_name: str = HOOK, d_in: int = D_MODEL, seed: int = 0) -> Dictionary:
    """A ReLU SAE with unit decoder rows; features from 2 on fire on roughly a fifth of the tokens."""
    generator = torch.Generator().manual_seed(seed)
    W_dec = torch.randn(D_SAE, d_in, generator=generator)
    W_dec = W_dec / W_dec.norm(dim=1, keepdim=True)
    W_enc = W_dec.T.clone()
    b_enc = torch.full((D_SAE,), -0.35)
    W_enc[:, DEAD], b_enc[DEAD] = 0.0, -1.0
    W_enc[:, ALWAYS], b_enc[ALWAYS] = 0.0, 1.0
    return Dictionary(
        kind="relu",
        d_in=d_in,
        d_sae=D_SAE,
        W_enc=W_enc,
        b_enc=b_enc,
        W_dec=W_dec,
        b_dec=torch.zeros(d_in),
        hook_name=hook_name,
        model_name=MODEL_NAME,
        conventions=Conventions(prepend_bos=True, n_ctx=N_CTX),
        decoder_norms=torch.ones(D_SAE),
    )


def write_corpus(folder: Path, *, documents: int = 24) -> None:
    """Seeded text files; the last two are a duplicate of the first and an empty one."""
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(1)
    for number in range(documents):
        length = int(torch.randint(3, 60, (1,), generator=generator))
        choices = torch.randint(len(WORDS), (length,), generator=generator).tolist()
        (folder / f"document-{number:02}.txt").write_text(" ".join(WORDS[i] for i in choices) + "\n", encoding="utf-8")
    first = (folder / "document-00.txt").read_text(encoding="utf-8")
    (folder / f"document-{documents:02}.txt").write_text(first, encoding="utf-8")
    (folder / f"document-{documents + 1:02}.txt").write_text("", encoding="utf-8")


def write_jsonl(path: Path, texts: list[str]) -> None:
    """One {"text": ...} object a line."""
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
