"""Trains the demo's dictionaries on the demo model, measures them on held-out text and ships them.

Three TopK SAEs share every forward pass: the residual stream at a middle and at a late layer, and the
neurons of a middle layer. Each feature then gets a threshold that drops the weakest of its firings. What is
measured is the bf16-rounded weights that are shipped, read back from their files. Run
`python -m worker.demo.train_dictionaries` after the model has been trained.
"""

import argparse
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from worker.corpus.contexts import ContextTable, cut_contexts
from worker.demo.architecture import MODEL_FOLDER
from worker.demo.tokenizer import BOS_ID, TokenStream, open_stream
from worker.lm.model import LanguageModel, load_language_model
from worker.sae import formats
from worker.sae.conventions import Conventions
from worker.sae.dictionary import Dictionary
from worker.train.activations import ContextBlocks
from worker.train.config import DictionaryConfig, TrainConfig
from worker.train.evaluate import Quality, measure_quality
from worker.train.thresholds import with_thresholds
from worker.train.trainer import Progress, TrainingRun

DICTIONARIES_FOLDER = Path("assets/dictionaries")
RUN_FOLDER = Path("build/demo/dictionaries")
N_CTX = 64
HELD_OUT_CONTEXTS = 2048
LOSS_CONTEXTS = 512
HELD_OUT_TEXT = "held-out Python packages"
FOLDERS: Mapping[str, DictionaryConfig] = {
    "demo-resid-mid": DictionaryConfig("blocks.2.hook_resid_post", d_sae=2048, k=10),
    "demo-resid-late": DictionaryConfig("blocks.3.hook_resid_post", d_sae=2048, k=12),
    "demo-mlp-mid": DictionaryConfig("blocks.2.mlp.hook_post", d_sae=2048, k=14),
}
# The share of each feature's TopK firings, the weakest, that its threshold drops.
DROPPED: Mapping[str, float] = {"demo-resid-mid": 0.3, "demo-resid-late": 0.35, "demo-mlp-mid": 0.2}
THRESHOLD_BLOCKS = 128


@dataclass(frozen=True, slots=True)
class Gates:
    """What every shipped dictionary has to reach on held-out text."""

    l0: float = 40.0
    fvu: float = 0.25
    loss_recovered: float = 0.90
    dead_fraction: float = 0.10
    dense_fraction: float = 0.01

    def failures(self, quality: Quality) -> list[str]:
        """One sentence for every gate that is missed."""
        most = ("l0", "fvu", "dead_fraction", "dense_fraction")
        said = [
            f"{name} is {getattr(quality, name):.4f}, at most {getattr(self, name)} is wanted."
            for name in most
            if getattr(quality, name) > getattr(self, name)
        ]
        if quality.loss_recovered < self.loss_recovered:
            said.append(f"loss_recovered is {quality.loss_recovered:.4f}, at least {self.loss_recovered} is wanted.")
        return said


def stream_contexts(stream: TokenStream, *, n_ctx: int = N_CTX) -> ContextTable:
    """The documents of a token stream cut into contexts, BOS first in each and nowhere else."""
    tokens = np.asarray(stream.tokens)
    is_text = tokens != BOS_ID
    text_before = np.concatenate(([0], np.cumsum(is_text, dtype=np.int64)))
    document_starts = np.concatenate((text_before[stream.starts], text_before[-1:]))
    document_ids, starts, lengths = cut_contexts(document_starts, n_ctx - 1)
    return ContextTable(
        document_ids=document_ids,
        starts=starts,
        lengths=lengths,
        n_ctx=n_ctx,
        bos_id=BOS_ID,
        pad_id=BOS_ID,
        tokens=tokens[is_text],
        document_starts=document_starts,
    )


def train(model: LanguageModel, *, n_tokens: int) -> tuple[Dictionary, ...]:
    """The dictionaries of FOLDERS after n_tokens, taken up where an earlier run of the same options stopped."""
    config = TrainConfig(dictionaries=tuple(FOLDERS.values()), n_tokens=n_tokens, report_every_steps=20)
    blocks = ContextBlocks(model, stream_contexts(open_stream("train")), config.hook_names, seed=config.seed)
    conventions = Conventions(prepend_bos=True, n_ctx=N_CTX)
    run = TrainingRun(config, blocks, RUN_FOLDER, model_name=model.name, conventions=conventions)
    run.run(on_progress=_print_progress)
    return run.dictionaries()


def set_thresholds(model: LanguageModel, trained: tuple[Dictionary, ...]) -> tuple[Dictionary, ...]:
    """Each dictionary with the thresholds of DROPPED, read off a sample of the training text."""
    contexts = stream_contexts(open_stream("train"))

    def acts_at(hook_name: str) -> Iterator[Tensor]:
        source = ContextBlocks(model, contexts, (hook_name,), seed=1)
        return (block[hook_name] for block in islice(source.blocks(0), THRESHOLD_BLOCKS))

    return tuple(
        with_thresholds(dictionary, acts_at(dictionary.hook_name), quantile=DROPPED[name])
        for name, dictionary in zip(FOLDERS, trained, strict=True)
    )


def ship(model: LanguageModel, trained: tuple[Dictionary, ...]) -> dict[str, Quality]:
    """Writes each dictionary in bf16, measures what was written on held-out text, and notes the figures with it."""
    _write(trained)
    shipped = [formats.load(DICTIONARIES_FOLDER / name) for name in FOLDERS]
    held_out = stream_contexts(open_stream("heldout"))
    sample = np.random.default_rng(0).permutation(len(held_out))[:HELD_OUT_CONTEXTS]
    qualities = measure_quality(model, shipped, held_out, sample, loss_contexts=LOSS_CONTEXTS)
    _write(
        replace(dictionary, metadata={**dictionary.metadata, "quality": {**quality.to_json(), "corpus": HELD_OUT_TEXT}})
        for dictionary, quality in zip(shipped, qualities, strict=True)
    )
    return dict(zip(FOLDERS, qualities, strict=True))


def _write(dictionaries: Iterable[Dictionary]) -> None:
    for name, dictionary in zip(FOLDERS, dictionaries, strict=True):
        shutil.rmtree(DICTIONARIES_FOLDER / name, ignore_errors=True)
        formats.save(dictionary, DICTIONARIES_FOLDER / name, dtype=torch.bfloat16)


def main(argv: list[str] | None = None) -> int:
    """Trains, ships and judges; 1 where a dictionary misses a gate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=8_000_000, help="tokens to train on")
    parser.add_argument("--model", default=str(MODEL_FOLDER), help="folder of the demo model")
    arguments = parser.parse_args(argv)
    model = load_language_model(arguments.model)
    missed = 0
    trained = set_thresholds(model, train(model, n_tokens=arguments.tokens))
    for name, quality in ship(model, trained).items():
        _say(f"{name}: {json.dumps(quality.to_json())}")
        for sentence in Gates().failures(quality):
            missed += 1
            _say(f"{name}: {sentence}")
    return 1 if missed else 0


def _print_progress(progress: Progress) -> None:
    figures = "; ".join(
        f"{each.hook_name} fvu {each.fvu:.3f} dead {each.dead_fraction:.3f}" for each in progress.dictionaries
    )
    _say(
        f"{progress.tokens / 1e6:.2f} of {progress.n_tokens / 1e6:.2f} M tokens, {progress.tokens_per_second:.0f} "
        f"tokens/s, {progress.seconds_left / 60:.1f} min left; {figures}"
    )


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
