"""The plan of a harvest: a pure function of the corpus's contexts and the options, saved with the run.

Shards and batches follow from the plan alone, so that whatever is killed, resumed or shared out, the
same contexts go through the model in the same shapes.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from worker.harvest.batch import Contexts
from worker.harvest.coactivation import token_hashes
from worker.harvest.errors import HarvestError
from worker.harvest.firing_rows import LONGEST_CONTEXT
from worker.harvest.hashing import COACTIVATION_STREAM, POOL_STREAM, hash_all, stream_key

_WIDTH_STEP = 16
_DTYPES = ("float32", "bfloat16")
_LAST_HASH = 2**64 - 1


@dataclass(frozen=True, slots=True)
class HarvestOptions:
    """What a person can choose; everything has a default.

    seed: decides every sample. encode_dtype: of the encode product, float32 or bfloat16.
    batch_tokens: tokens through the model at once. shard_tokens: None takes a 64th of the corpus,
    within 2**18 and 2**22. n_top: top contexts a feature. n_sample: sampled contexts a feature.
    n_pool: contexts that controls come from. coactivation_tokens: tokens on which joint firings are
    counted; coactivation_entries: most firings kept of them.
    features: numbers of those to be reduced, such as '0-4095,5000', of each dictionary; None for all.
    """

    seed: int = 0
    encode_dtype: str = "float32"
    batch_tokens: int = 8192
    shard_tokens: int | None = None
    n_top: int = 20
    one_per_document: bool = True
    n_sample: int = 128
    n_pool: int = 2048
    coactivation_tokens: int = 262_144
    coactivation_entries: int = 2**25
    features: str | None = None

    def __post_init__(self) -> None:
        if self.encode_dtype not in _DTYPES:
            raise HarvestError(f"encode_dtype is {self.encode_dtype!r}; it is one of {', '.join(_DTYPES)}.")
        for name in ("batch_tokens", "n_top", "n_sample", "n_pool", "coactivation_tokens", "coactivation_entries"):
            if getattr(self, name) < 1:
                raise HarvestError(f"{name} is {getattr(self, name)}; it has to be at least 1.")
        if self.shard_tokens is not None and self.shard_tokens < 1:
            raise HarvestError(f"shard_tokens is {self.shard_tokens}; it has to be at least 1, or left out.")


@dataclass(frozen=True, slots=True)
class HarvestPlan:
    """Everything that decides a harvest's numbers, the model and the dictionaries apart.

    shards: bounds of context ids; shard s is contexts shards[s] to shards[s + 1], whole documents. The first
    bound is above 0 where an earlier harvest went through what is before it; it may lie within a document.
    excluded_ids: token ids left out of every reducer. d_vocab: greater than every token id.
    coactivation_bar: a token with a hash of at most this is in the co-activation sample.
    corpus_tokens: text tokens, whatever is excluded later.
    """

    options: HarvestOptions
    n_ctx: int
    prepend_bos: bool
    excluded_ids: tuple[int, ...]
    d_vocab: int
    corpus_hash: str
    corpus_tokens: int
    n_contexts: int
    n_documents: int
    shards: tuple[int, ...]
    coactivation_bar: int

    @property
    def n_shards(self) -> int:
        """Number of shards."""
        return len(self.shards) - 1

    @property
    def seen(self) -> int:
        """Contexts that an earlier harvest went through, to which this one adds."""
        return self.shards[0]

    @property
    def digest(self) -> str:
        """SHA-256 of the plan, which partial results carry."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The plan as plain JSON values; `from_json` reads it back."""
        return asdict(self) | {"excluded_ids": list(self.excluded_ids), "shards": list(self.shards)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Raises HarvestError on keys that a plan does not have, or that are missing."""
        _check_keys("plan", values, cls)
        _check_keys("plan's options", values["options"], HarvestOptions)
        lists = {name: tuple(int(item) for item in values[name]) for name in ("excluded_ids", "shards")}
        return cls(**{**values, **lists, "options": HarvestOptions(**values["options"])})


def plan_harvest(
    contexts: Contexts,
    options: HarvestOptions,
    *,
    excluded_ids: Sequence[int],
    d_vocab: int,
    corpus_hash: str = "",
    seen: int = 0,
) -> HarvestPlan:
    """Cut a corpus into shards and fix its samples.

    seen: contexts at the corpus's start that are not gone through, because an earlier harvest's kept state has them.
    Raises HarvestError for an empty corpus, one with nothing behind what was seen, contexts that are not in order of
    documents, or contexts too long for the storage of positions.
    """
    documents, lengths = np.asarray(contexts.document_ids), np.asarray(contexts.lengths, dtype=np.int64)
    if len(lengths) == 0 or lengths.sum() == 0:
        raise HarvestError("The corpus has no tokens, so there is nothing to harvest; add documents to it.")
    if seen >= len(lengths):
        raise HarvestError(
            f"The corpus has {len(lengths):,} contexts and all of them are in the harvest already, so there is nothing "
            "to add; take more of it, or add another corpus."
        )
    if np.any(np.diff(documents) < 0):
        raise HarvestError("The contexts are not in order of their documents; build the corpus again.")
    if contexts.n_ctx > LONGEST_CONTEXT:
        raise HarvestError(f"n_ctx is {contexts.n_ctx}; a harvest takes contexts of up to {LONGEST_CONTEXT} tokens.")
    prepend_bos = contexts.bos_id is not None
    return HarvestPlan(
        options=options,
        n_ctx=contexts.n_ctx,
        prepend_bos=prepend_bos,
        excluded_ids=tuple(sorted({int(token) for token in excluded_ids})),
        d_vocab=d_vocab,
        corpus_hash=corpus_hash,
        corpus_tokens=int(lengths.sum()),
        n_contexts=len(lengths),
        n_documents=int(np.count_nonzero(np.diff(documents)) + 1),
        shards=_shards(documents, lengths, options.shard_tokens, seen=seen),
        coactivation_bar=_coactivation_bar(lengths + prepend_bos, options),
    )


def shard_batches(plan: HarvestPlan, shard: int, contexts: Contexts) -> list[tuple[Int64[np.ndarray, " context"], int]]:
    """Context ids of each batch of a shard and the tokens its rows are padded to.

    Documents go by the length of their longest context, greatest first, so that rows of a batch are
    of like length; the contexts of a document stay together.
    Raises HarvestError where there is no such shard.
    """
    if not 0 <= shard < plan.n_shards:
        raise HarvestError(f"The plan has shards 0 to {plan.n_shards - 1}; there is no shard {shard}.")
    first, last = plan.shards[shard : shard + 2]
    lengths = np.asarray(contexts.lengths[first:last], dtype=np.int64) + plan.prepend_bos
    _, document = np.unique(contexts.document_ids[first:last], return_inverse=True)
    longest = np.zeros(document.max() + 1, np.int64)
    np.maximum.at(longest, document, lengths)
    order = np.lexsort((np.arange(len(lengths)), document, -longest[document]))
    batches, start = [], 0
    while start < len(order):
        longest_row = int(longest[document[order[start]]])
        width = min(plan.n_ctx, -(-longest_row // _WIDTH_STEP) * _WIDTH_STEP)
        stop = start + max(1, plan.options.batch_tokens // width)
        batches.append((first + order[start:stop], width))
        start = stop
    return batches


def pool_ids(plan: HarvestPlan, contexts: Contexts) -> Int64[np.ndarray, " pool"]:
    """The contexts of smallest hash(seed, context) that hold a token the reducers may see, ascending."""
    eligible = np.flatnonzero(np.asarray(contexts.lengths) + plan.prepend_bos > 1)
    hashes = hash_all(stream_key(plan.options.seed, POOL_STREAM), eligible)
    return np.sort(eligible[np.argsort(hashes, kind="stable")[: plan.options.n_pool]])


def _shards(
    documents: Int64[np.ndarray, " context"],
    lengths: Int64[np.ndarray, " context"],
    shard_tokens: int | None,
    *,
    seen: int,
) -> tuple[int, ...]:
    total = int(lengths.sum())
    size = shard_tokens or min(max(total // 64, 2**18), 2**22)
    before = np.cumsum(lengths) - lengths
    opens_document = np.diff(documents, prepend=documents[0] - 1) != 0
    bounds = [seen]
    for start in seen + np.flatnonzero(opens_document[seen:]):
        if before[start] - before[bounds[-1]] >= size:
            bounds.append(int(start))
    return (*bounds, len(lengths))


def _coactivation_bar(row_lengths: Int64[np.ndarray, " context"], options: HarvestOptions) -> int:
    """The coactivation_tokens-th smallest hash of all tokens past position 0, without listing them all."""
    total = int((row_lengths - 1).clip(min=0).sum())
    wanted = options.coactivation_tokens
    if total <= wanted:
        return _LAST_HASH
    # Hashes are uniform, so this share of them holds the wanted one save with a chance below 1e-9.
    share = min(1.0, (wanted + 6 * wanted**0.5 + 32) / total)
    loose = min(int(share * _LAST_HASH), _LAST_HASH)
    hashes = np.concatenate([_hashes_below(loose, start, row_lengths, options.seed) for start in _blocks(row_lengths)])
    if len(hashes) < wanted:
        return loose
    return int(np.partition(hashes, wanted - 1)[wanted - 1])


def _blocks(row_lengths: Int64[np.ndarray, " context"]) -> range:
    return range(0, len(row_lengths), 4096)


def _hashes_below(bar: int, start: int, row_lengths: Int64[np.ndarray, " context"], seed: int) -> NDArray[np.uint64]:
    """Hashes of at most `bar` of the tokens of a block of contexts."""
    lengths = (row_lengths[start : start + 4096] - 1).clip(min=0)
    context_ids = np.repeat(np.arange(start, start + len(lengths)), lengths)
    positions = np.arange(len(context_ids)) - np.repeat(np.cumsum(lengths) - lengths, lengths) + 1
    key = stream_key(seed, COACTIVATION_STREAM)
    hashes = token_hashes(key, context_ids, positions.astype(np.int32))
    return hashes[hashes <= np.uint64(bar)]


def _check_keys(what: str, values: Mapping[str, Any], kind: type) -> None:
    known = {field.name for field in fields(kind)}
    if unknown := sorted(set(values) - known):
        raise HarvestError(f"The {what} holds {', '.join(unknown)}, which this version does not know.")
    if missing := sorted(known - set(values)):
        raise HarvestError(f"The {what} lacks {', '.join(missing)}; it was saved by another version.")
