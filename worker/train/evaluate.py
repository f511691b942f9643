"""Measures dictionaries on held-out contexts, by the figures a dictionary is published with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int
from torch import Tensor

from worker.sae.dictionary import Dictionary
from worker.sae.metrics import LossRecovered, SplicedModel, StreamingMetrics, loss_recovered, token_parts
from worker.train.activations import Contexts, text_batch
from worker.train.errors import TrainingError

DENSE_ABOVE = 0.1
CONTEXTS_PER_BATCH = 16
_MOST_LOGITS = 2**24


@dataclass(frozen=True, slots=True)
class Quality:
    """What a dictionary is worth on a held-out sample; special tokens are left out everywhere.

    tokens, contexts: the sample for l0, fvu, dead and dense. l0: mean features firing on a token. fvu: share of the
    variance not explained. dead_fraction: share of features that fire nowhere in the sample; dense_fraction: on more
    than a tenth of it. loss_recovered: against mean ablation, loss_recovered_zero against zeros, on
    loss_contexts contexts; losses are nats a token.
    """

    hook_name: str
    tokens: int
    contexts: int
    l0: float
    fvu: float
    dead_fraction: float
    dense_fraction: float
    loss_recovered: float
    loss_recovered_zero: float
    loss: float
    loss_recon: float
    loss_mean_ablated: float
    loss_zero_ablated: float
    loss_contexts: int

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return asdict(self)


def measure_quality(
    model: SplicedModel,
    dictionaries: Sequence[Dictionary],
    contexts: Contexts,
    context_ids: np.ndarray,
    *,
    loss_contexts: int | None = None,
    excluded: frozenset[int] = frozenset(),
    at_once: int = CONTEXTS_PER_BATCH,
) -> tuple[Quality, ...]:
    """One Quality a dictionary, in order, from one pass for what fires and one for the loss.

    context_ids: the held-out sample. loss_contexts: how many of them, from the first, the loss is measured on (it
    costs four forward passes a dictionary); None takes all. excluded: ids of special tokens.
    at_once: contexts through the model.
    Raises TrainingError on an empty sample.
    """
    if not len(context_ids):
        raise TrainingError("There are no held-out contexts to measure the dictionaries on; give it more text.")
    streams = [StreamingMetrics(dictionary.d_in, dictionary.d_sae) for dictionary in dictionaries]
    hook_names = list(dict.fromkeys(dictionary.hook_name for dictionary in dictionaries))
    for token_ids, is_text in _batches(contexts, context_ids, excluded, at_once):
        acts = model.activations(token_ids, hook_names)
        for dictionary, stream in zip(dictionaries, streams, strict=True):
            _observe(stream, dictionary, acts, is_text)
    for_loss = context_ids[:loss_contexts]
    qualities = []
    for dictionary, stream in zip(dictionaries, streams, strict=True):
        mean = stream.mean.to(dictionary.b_dec)
        batches = _batches(contexts, for_loss, excluded, at_once)
        recovered = loss_recovered(model, dictionary, batches, mean=mean)
        qualities.append(_quality(dictionary, stream, recovered, (len(context_ids), len(for_loss))))
    return tuple(qualities)


def contexts_at_once(n_ctx: int, d_vocab: int) -> int:
    """Contexts whose logits take some tens of megabytes at most."""
    return min(CONTEXTS_PER_BATCH, max(1, _MOST_LOGITS // (n_ctx * d_vocab)))


def _observe(
    stream: StreamingMetrics, dictionary: Dictionary, acts: Mapping[str, Tensor], is_text: Bool[Tensor, "context token"]
) -> None:
    at_hook = acts[dictionary.hook_name]
    text = at_hook[is_text.to(at_hook.device)].to(dictionary.b_dec)
    for part in token_parts(text, dictionary.d_sae):
        feature_acts = dictionary.encode(part)
        stream.update(part, feature_acts, dictionary.decode(feature_acts))


def _batches(
    contexts: Contexts, context_ids: np.ndarray, excluded: frozenset[int], at_once: int
) -> Iterator[tuple[Int[Tensor, "context token"], Bool[Tensor, "context token"]]]:
    for start in range(0, len(context_ids), at_once):
        yield text_batch(contexts, context_ids[start : start + at_once], excluded)


def _quality(
    dictionary: Dictionary, stream: StreamingMetrics, recovered: LossRecovered, n_contexts: tuple[int, int]
) -> Quality:
    measured = stream.result()
    return Quality(
        hook_name=dictionary.hook_name,
        tokens=measured.tokens,
        contexts=n_contexts[0],
        l0=measured.l0,
        fvu=measured.fvu,
        dead_fraction=measured.dead_fraction,
        dense_fraction=measured.dense_fraction(DENSE_ABOVE),
        loss_recovered=recovered.against_mean,
        loss_recovered_zero=recovered.against_zero,
        loss=recovered.loss,
        loss_recon=recovered.loss_recon,
        loss_mean_ablated=recovered.loss_mean_ablated,
        loss_zero_ablated=recovered.loss_zero_ablated,
        loss_contexts=n_contexts[1],
    )
