"""A look at a few contexts before a harvest: how much fires, and what a forward pass holds in memory."""

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor, UntypedStorage
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from worker.harvest.batch import Batch, Contexts, make_batch
from worker.harvest.engine import ActivationSource, HarvestDictionary, encoder_of, kept_rows
from worker.harvest.firings import firings_of
from worker.harvest.plan import HarvestPlan
from worker.harvest.subset import features_of
from worker.harvest.threads import Threads

SOUNDED_TOKENS = 2048
# Firings of a feature in a context in which it fires, where it was not seen to fire.
_UNSEEN_ROW = 1.5


@dataclass(frozen=True, slots=True, eq=False)
class Sounding:
    """What a sample of contexts says of one dictionary: by feature reduced, tokens and contexts in which it fires."""

    tokens: int
    contexts: int
    tokens_fired: Int64[np.ndarray, " feature"]
    contexts_fired: Int64[np.ndarray, " feature"]

    @property
    def l0(self) -> float:
        """Firings a token."""
        return float(self.tokens_fired.sum()) / max(1, self.tokens)

    @property
    def row(self) -> float:
        """Firings of a feature in a context in which it fires, in the mean over features."""
        rows = np.full(len(self.tokens_fired), _UNSEEN_ROW)
        np.divide(self.tokens_fired, self.contexts_fired, out=rows, where=self.contexts_fired > 0)
        return float(rows.mean())


def sample_batch(plan: HarvestPlan, contexts: Contexts, *, tokens: int = SOUNDED_TOKENS) -> Batch:
    """Some whole contexts of what the plan goes through, drawn by its seed."""
    there = np.arange(plan.seen, plan.n_contexts)
    n = min(len(there), max(1, tokens // plan.n_ctx))
    chosen = np.sort(np.random.default_rng(plan.options.seed).choice(there, size=n, replace=False))
    return make_batch(contexts, chosen, width=plan.n_ctx, excluded_ids=plan.excluded_ids)


def sound(plan: HarvestPlan, batch: Batch, model: ActivationSource, dictionary: HarvestDictionary) -> Sounding:
    """What fires on a batch, by the harvest's own encoder."""
    dtype, features = getattr(torch, plan.options.encode_dtype), features_of(plan.options.features, dictionary.d_sae)
    acts = model.activations(torch.from_numpy(batch.token_ids), (dictionary.hook_name,))[dictionary.hook_name]
    encoder = encoder_of(dictionary, features, dtype=dtype, device=acts.device)
    with Threads(torch.get_num_threads()) as threads:
        by_token = encoder.fire(kept_rows(acts, torch.from_numpy(batch.kept)), threads)
        firings = firings_of(batch, by_token, d_sae=encoder.d_sae, threads=threads)
    return Sounding(len(batch.kept), len(batch.context_ids), np.diff(firings.offsets), np.diff(firings.segment_offsets))


def forward_bytes(model: ActivationSource, batch: Batch, hook_names: Sequence[str]) -> float:
    """Memory of this machine, not of its accelerators, that a forward pass holds at once, in bytes a token."""
    token_ids = torch.from_numpy(batch.token_ids)
    with _Held() as held:
        model.activations(token_ids, hook_names)
    return held.most / token_ids.numel()


class _Held(TorchDispatchMode):
    """Adds up the tensors of this machine's memory that live at the same time, of those made while it is on."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 0
        self._now = 0
        self._storages: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for value in tree_leaves(found):
            if isinstance(value, Tensor) and value.device.type == "cpu":
                self._add(value.untyped_storage())
        return found

    def _add(self, storage: UntypedStorage) -> None:
        place, size = storage.data_ptr(), storage.nbytes()
        if place in self._storages:
            return
        self._storages.add(place)
        self._now += size
        self.most = max(self.most, self._now)
        weakref.finalize(storage, self._forget, place, size)

    def _forget(self, place: int, size: int) -> None:
        self._storages.discard(place)
        self._now -= size
