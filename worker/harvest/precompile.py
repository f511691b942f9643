"""Compiles the harvest's kernels once, by harvesting a few made-up words, and leaves them on disk for later ones.

`make setup` runs `python -m worker.harvest.precompile`, so that nobody waits for a compiler with a model in hand.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from worker.corpus.contexts import ContextTable, cut_contexts
from worker.harvest.engine import harvest_shard
from worker.harvest.firings import TokenRows, join_blocks
from worker.harvest.merge import merge_shards
from worker.harvest.plan import HarvestOptions, plan_harvest
from worker.harvest.threads import Threads
from worker.sae.conventions import Conventions
from worker.sae.dictionary import Dictionary

N_CTX, D_VOCAB, D_IN, D_SAE = 16, 32, 8, 16
HOOK = "hook"


class WordModel:
    """Activations that depend on the token alone."""

    def activations(
        self, token_ids: Int[Tensor, "context token"], hook_names: Sequence[str]
    ) -> dict[str, Float[Tensor, "context token d_in"]]:
        """A fixed random row for each token, at any hook."""
        table = torch.randn(D_VOCAB, D_IN, generator=torch.Generator().manual_seed(0))
        return {name: table[token_ids] for name in hook_names}


def compile_kernels() -> None:
    """Run whole harvests of every kind of selection, in float32 and in bfloat16."""
    contexts = _contexts()
    dictionaries = _dictionaries()
    for dtype in ("float32", "bfloat16"):
        options = HarvestOptions(encode_dtype=dtype, shard_tokens=200, n_sample=4, n_top=3)
        plan = plan_harvest(contexts, options, excluded_ids=(0,), d_vocab=D_VOCAB)
        with tempfile.TemporaryDirectory(prefix="featurescope-") as folder:
            for shard in range(plan.n_shards):
                harvest_shard(
                    plan, shard, model=WordModel(), dictionaries=dictionaries, contexts=contexts, folder=Path(folder)
                )
            nearest = [np.zeros((each.d_sae, 1), np.int64) for each in dictionaries]
            merge_shards(plan, Path(folder), contexts=contexts, neighbours=nearest)
    _join_tiles()


def _join_tiles() -> None:
    """What only dictionaries of more features than fit one tile need."""
    rows = TokenRows(np.array([0, 1]), np.array([3], np.int32), np.array([1], np.float32))
    with Threads(1) as threads:
        join_blocks([rows, rows], threads)


def _contexts() -> ContextTable:
    starts = np.array([0, 150, 151, 400, 700, 900], np.int64)
    tokens = np.random.default_rng(0).integers(2, D_VOCAB, starts[-1]).astype(np.uint16)
    return ContextTable(*cut_contexts(starts, N_CTX - 1), N_CTX, 0, 1, tokens, starts)


def _dictionaries() -> list[Dictionary]:
    rows = torch.nn.functional.normalize(torch.randn(D_SAE, D_IN, generator=torch.Generator().manual_seed(1)), dim=-1)
    topk = Dictionary(
        kind="topk",
        d_in=D_IN,
        d_sae=D_SAE,
        W_enc=rows.T.contiguous(),
        b_enc=torch.zeros(D_SAE),
        W_dec=rows,
        b_dec=torch.zeros(D_IN),
        hook_name=HOOK,
        model_name="words",
        conventions=Conventions(prepend_bos=True, n_ctx=N_CTX),
        k=2,
    )
    thresholds = torch.full((D_SAE,), 0.5), torch.linspace(0, 1, D_SAE)
    return [topk, *(replace(topk, kind="jumprelu", k=None, threshold=threshold) for threshold in thresholds)]


if __name__ == "__main__":
    compile_kernels()
