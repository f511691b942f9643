"""Harvests one shard: each batch of contexts once through the model, for all dictionaries."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from worker.harvest.batch import Batch, Contexts, make_batch
from worker.harvest.corpus_counts import CorpusCounts
from worker.harvest.edges import EdgeDocuments
from worker.harvest.encode import Encoder, HarvestWeights
from worker.harvest.errors import HarvestError
from worker.harvest.firings import firings_of
from worker.harvest.partial import Arrays, is_done, partial_path, save_partial
from worker.harvest.plan import HarvestPlan, pool_ids, shard_batches
from worker.harvest.reducers import Reducers
from worker.harvest.subset import Numbers, SubsetEncoder, features_of
from worker.harvest.threads import Threads

Progress = Callable[[int, int], None]


class ActivationSource(Protocol):
    """The one seam to a language model: activations at hooks, [context, token, width], on its device."""

    def activations(
        self, token_ids: Int[Tensor, "context token"], hook_names: Sequence[str]
    ) -> dict[str, Float[Tensor, "context token _"]]: ...


class HarvestConventions(Protocol):
    """How the activations must be made."""

    @property
    def prepend_bos(self) -> bool: ...
    @property
    def n_ctx(self) -> int: ...


class HarvestDictionary(Protocol):
    """What a harvest needs of a dictionary."""

    @property
    def d_in(self) -> int: ...
    @property
    def d_sae(self) -> int: ...
    @property
    def hook_name(self) -> str: ...
    @property
    def conventions(self) -> HarvestConventions: ...
    def harvest_weights(self) -> HarvestWeights: ...


def harvest_shard(
    plan: HarvestPlan,
    shard: int,
    *,
    model: ActivationSource,
    dictionaries: Sequence[HarvestDictionary],
    contexts: Contexts,
    folder: Path,
    device: torch.device | str = "cpu",
    on_progress: Progress | None = None,
    save: Callable[[Callable[[], None]], None] = lambda write: write(),
) -> None:
    """Reduce one shard and write its partial result to the folder; nothing is done where it is there.

    on_progress: called after each batch with the shard's text tokens done and in all.
    save: given what writes the result, calls it, more than once where there was no room at first.
    Raises HarvestError where the dictionaries do not share the plan's conventions, or the result cannot be written.
    """
    path = partial_path(folder, shard)
    if is_done(path, plan.digest):
        return
    _check_conventions(plan, dictionaries)
    with Threads(torch.get_num_threads()) as threads:
        pass_ = _Pass(plan, shard, dictionaries, contexts, device=torch.device(device), threads=threads)
        total = int(np.asarray(contexts.lengths[plan.shards[shard] : plan.shards[shard + 1]]).sum(dtype=np.int64))
        done = 0
        for context_ids, width in shard_batches(plan, shard, contexts):
            pass_.update(model, make_batch(contexts, context_ids, width=width, excluded_ids=plan.excluded_ids))
            done += int(np.asarray(contexts.lengths[context_ids]).sum(dtype=np.int64))
            if on_progress is not None:
                on_progress(done, total)
        save(lambda: save_partial(path, plan.digest, pass_.parts()))


def encoder_of(
    dictionary: HarvestDictionary, features: Numbers, *, dtype: torch.dtype, device: torch.device
) -> Encoder | SubsetEncoder:
    """What encodes with some features of a dictionary, by their numbers."""
    if len(features) == dictionary.d_sae:
        return Encoder(dictionary.harvest_weights(), dtype=dtype, device=device)
    return SubsetEncoder(dictionary.harvest_weights(), features, dtype=dtype, device=device)


class _Pass:
    """Encoders and reducers of all dictionaries over one shard."""

    def __init__(
        self,
        plan: HarvestPlan,
        shard: int,
        dictionaries: Sequence[HarvestDictionary],
        contexts: Contexts,
        *,
        device: torch.device,
        threads: Threads,
    ) -> None:
        dtype = getattr(torch, plan.options.encode_dtype)
        pool = pool_ids(plan, contexts)
        self._threads = threads
        self._hook_of = [dictionary.hook_name for dictionary in dictionaries]
        numbers = [features_of(plan.options.features, each.d_sae) for each in dictionaries]
        self._encoders = [
            encoder_of(each, some, dtype=dtype, device=device) for each, some in zip(dictionaries, numbers, strict=True)
        ]
        self._reducers = [
            Reducers.empty(
                plan,
                some,
                edges=EdgeDocuments(len(some), contexts, *plan.shards[shard : shard + 2]),
                pool_ids=pool,
                ranges=threads.ranges(len(some)),
            )
            for some in numbers
        ]
        self._corpus = CorpusCounts(plan.d_vocab, plan.n_ctx)

    def update(self, model: ActivationSource, batch: Batch) -> None:
        """One forward pass, then each dictionary in turn."""
        self._corpus.update(batch)
        hooks = tuple(dict.fromkeys(self._hook_of))
        acts = model.activations(torch.from_numpy(batch.token_ids), hooks)
        kept = torch.from_numpy(batch.kept)
        flat = {hook: kept_rows(acts.pop(hook), kept) for hook in hooks}
        for hook, encoder, reducers in zip(self._hook_of, self._encoders, self._reducers, strict=True):
            by_token = encoder.fire(flat[hook], self._threads)
            reducers.update(firings_of(batch, by_token, d_sae=encoder.d_sae, threads=self._threads), self._threads)

    def parts(self) -> Iterator[tuple[str, Arrays]]:
        """What is to be saved, by place."""
        yield "corpus/counts", self._corpus.arrays()
        for index, reducers in enumerate(self._reducers):
            yield from ((f"{index}/{name}", arrays) for name, arrays in reducers.parts())


def kept_rows(acts: Float[Tensor, "context token d_in"], kept: Int[Tensor, " kept"]) -> Float[Tensor, "kept d_in"]:
    """Activations of the tokens that reducers see, by their flat index."""
    flat = acts.reshape(-1, acts.shape[-1])
    return flat.index_select(0, kept.to(flat.device))


def _check_conventions(plan: HarvestPlan, dictionaries: Sequence[HarvestDictionary]) -> None:
    if not dictionaries:
        raise HarvestError("A harvest needs at least one dictionary; none was given.")
    for dictionary in dictionaries:
        theirs = dictionary.conventions
        if (theirs.prepend_bos, theirs.n_ctx) != (plan.prepend_bos, plan.n_ctx):
            raise HarvestError(
                f"The dictionary at {dictionary.hook_name!r} was made with n_ctx {theirs.n_ctx} and prepend_bos "
                f"{theirs.prepend_bos}; this harvest has n_ctx {plan.n_ctx} and prepend_bos {plan.prepend_bos}. "
                "Harvest it in a group of its own."
            )
