"""Makes the folder that every side works on: a seeded GPT-2, a dictionary in the SAELens layout, and token ids."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.harvest_world import D_VOCAB, DEEPEST, Size, hook_name, make_dictionary, make_model
from benchmarks.peers.job import MODEL_FOLDER, SAE_FOLDER, TOKENS_FILE, Job
from worker.corpus.contexts import ContextTable, cut_contexts
from worker.sae.dictionary import Dictionary
from worker.sae.formats import save

BOS_ID, SEED = 0, 0
SCALE = 64.0
"""Of the activations, so that four decimals, which is what SAEDashboard keeps, say enough to compare."""
CONTEXTS_STEP = 32
"""delphi leaves out what does not fill a batch, so the number of contexts is a multiple of its batch."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What is compared: the first `features` features, n_top contexts each."""

    features: int
    n_top: int = 20


def make_job(size: Size, compared: Compared, folder: Path) -> Job:
    """Write model, dictionary, tokens and job to the folder. size.dtype has to be float32, which all sides use.

    Every document is one whole context, so that the sides' rules about padding, tails, and several contexts of one
    document have nothing to differ on.
    """
    n_contexts = -(-size.tokens // (size.n_ctx - 1))
    n_contexts = -(-n_contexts // CONTEXTS_STEP) * CONTEXTS_STEP
    model, _ = make_model(size, folder / MODEL_FOLDER)
    tokens = _distinct_contexts(n_contexts, size.n_ctx - 1)
    contexts = context_table(np.pad(tokens, ((0, 0), (1, 0)), constant_values=BOS_ID))
    save(_scaled(make_dictionary(size, 0, model=model, contexts=contexts)), folder / SAE_FOLDER)
    np.save(folder / TOKENS_FILE, contexts.token_ids(np.arange(n_contexts)).astype(np.int32))
    job = Job(
        layer=_layer(),
        n_contexts=n_contexts,
        n_ctx=size.n_ctx,
        bos_id=BOS_ID,
        d_sae=size.d_sae,
        features=min(compared.features, size.d_sae),
        n_top=compared.n_top,
        threads=torch.get_num_threads(),
    )
    job.write(folder)
    return job


def context_table(rows: NDArray[np.integer]) -> ContextTable:
    """Rows of token ids, BOS first, as a corpus in which every row is a document."""
    n_contexts, n_ctx = rows.shape
    starts = np.arange(n_contexts + 1, dtype=np.int64) * (n_ctx - 1)
    tokens = np.ascontiguousarray(rows[:, 1:]).reshape(-1).astype(np.uint16)
    return ContextTable(*cut_contexts(starts, n_ctx - 1), n_ctx, BOS_ID, BOS_ID, tokens, starts)


def _scaled(dictionary: Dictionary) -> Dictionary:
    assert dictionary.W_enc is not None
    assert dictionary.b_enc is not None
    return replace(dictionary, W_enc=dictionary.W_enc * SCALE, b_enc=dictionary.b_enc * SCALE)


def _layer() -> int:
    layer = DEEPEST - 1
    assert hook_name(0) == f"blocks.{layer}.hook_resid_post"
    return layer


def _distinct_contexts(n: int, width: int) -> NDArray[np.int64]:
    """Tokens of Zipf's law, never the BOS; no two rows are alike."""
    rows = np.random.default_rng(SEED).zipf(1.2, size=(n, width)) % (D_VOCAB - 1) + 1
    assert len(np.unique(rows, axis=0)) == n
    return rows
