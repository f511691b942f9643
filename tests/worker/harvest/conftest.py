"""A small seeded corpus and dictionaries whose products are exact in float32, whatever the batch."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from worker.corpus.contexts import ContextTable, cut_contexts
from worker.harvest.engine import harvest_shard
from worker.harvest.merge import merge_shards
from worker.harvest.plan import HarvestOptions, HarvestPlan, plan_harvest
from worker.sae.conventions import Conventions
from worker.sae.dictionary import Dictionary

N_CTX, D_VOCAB, D_IN, D_SAE, BOS, PAD = 16, 40, 8, 24, 0, 1


class TableModel:
    """Activations that are an exact function of a token and the one before it, in eighths."""

    def __init__(self, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.table = torch.randint(-16, 17, (D_VOCAB, D_IN), generator=generator) / 8

    def activations(self, token_ids, hook_names):
        own = self.table[token_ids]
        before = torch.cat([torch.zeros_like(own[:, :1]), own[:, :-1]], dim=1)
        return {name: own + before / 2 + hook_names.index(name) for name in hook_names}


def make_contexts(sizes, *, n_ctx=N_CTX, bos_id=BOS, seed=0) -> ContextTable:
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    tokens = np.random.default_rng(seed).zipf(1.3, size=starts[-1]) % (D_VOCAB - 3) + 3
    table = cut_contexts(starts, n_ctx - (bos_id is not None))
    return ContextTable(*table, n_ctx, bos_id, PAD, tokens.astype(np.uint16), starts)


def make_dictionary(kind: str, *, prepend_bos=True, n_ctx=N_CTX, seed=1) -> Dictionary:
    """Feature 0 never fires (save where topk lets it) and feature 1 fires on every token it may."""
    generator = torch.Generator().manual_seed(seed)
    conventions = Conventions(prepend_bos=prepend_bos, n_ctx=n_ctx)
    whose = {"hook_name": "hook", "model_name": "table", "conventions": conventions}
    if kind == "neurons":
        threshold = torch.linspace(0.25, 3, D_IN)
        zeros = torch.zeros(D_IN)
        return Dictionary(kind, D_IN, D_IN, None, zeros, None, zeros, **whose, threshold=threshold)
    W_enc = torch.randint(-4, 5, (D_IN, D_SAE), generator=generator) / 4
    W_dec = torch.nn.functional.normalize(torch.randn(D_SAE, D_IN, generator=generator), dim=-1)
    b_enc = torch.full((D_SAE,), -2.0)
    b_enc[0], b_enc[1] = -1000, 1000
    b_enc[2] = -0.25
    parts = {"relu": {}, "topk": {"k": 4}, "jumprelu": {"threshold": torch.arange(D_SAE) / 8}}[kind]
    return Dictionary(kind, D_IN, D_SAE, W_enc, b_enc, W_dec, torch.zeros(D_IN), **whose, **parts)


@dataclass
class World:
    """A corpus, its plan and the full activation matrix of each dictionary, [context, n_ctx, feature]."""

    contexts: ContextTable
    plan: HarvestPlan
    dictionaries: list[Dictionary]
    model: TableModel

    def dense(self, index: int) -> np.ndarray:
        """Activations by the dictionary's own encode, 0 where the reducers must not look."""
        ids = self.contexts.token_ids(np.arange(len(self.contexts)))
        acts = self.model.activations(torch.from_numpy(ids), ("hook",))["hook"]
        return self.dictionaries[index].encode(acts).numpy() * self.kept()[..., None]

    def kept(self) -> np.ndarray:
        """Which tokens the reducers see."""
        ids = self.contexts.token_ids(np.arange(len(self.contexts)))
        lengths = self.contexts.row_lengths(np.arange(len(self.contexts)))
        real = np.arange(ids.shape[1]) < lengths[:, None]
        keep = real & ~np.isin(ids, self.plan.excluded_ids)
        keep[:, 0] = False
        return keep

    def harvest(self, folder: Path, *, order=None, neighbours=None):
        for shard in order or range(self.plan.n_shards):
            harvest_shard(
                self.plan,
                shard,
                model=self.model,
                dictionaries=self.dictionaries,
                contexts=self.contexts,
                folder=folder,
            )
        return merge_shards(self.plan, folder, contexts=self.contexts, neighbours=neighbours)


def make_world(kinds=("relu",), *, sizes=None, n_ctx=N_CTX, bos_id=BOS, excluded_ids=(0, 1, 7), **options) -> World:
    sizes = np.random.default_rng(5).integers(1, 70, size=60) if sizes is None else sizes
    contexts = make_contexts(sizes, n_ctx=n_ctx, bos_id=bos_id)
    options = HarvestOptions(**{"shard_tokens": 500, "batch_tokens": 96, **options})
    plan = plan_harvest(contexts, options, excluded_ids=excluded_ids, d_vocab=D_VOCAB)
    dictionaries = [make_dictionary(kind, prepend_bos=bos_id is not None, n_ctx=n_ctx) for kind in kinds]
    return World(contexts, plan, dictionaries, TableModel())


@pytest.fixture(scope="session")
def harvested(tmp_path_factory):
    """The standard world with every kind of dictionary, and its results in four or so shards."""
    world = make_world(("relu", "topk", "jumprelu", "neurons"), n_sample=30, n_top=6, n_pool=40)
    return world, world.harvest(tmp_path_factory.mktemp("harvest"))


def equal(first, second) -> bool:
    """Whether two results hold the same, to the bit."""
    if hasattr(first, "__dataclass_fields__"):
        return all(equal(getattr(first, name), getattr(second, name)) for name in first.__dataclass_fields__)
    if isinstance(first, np.ndarray):
        return first.dtype == second.dtype and np.array_equal(first, second)
    return first == second
