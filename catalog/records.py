"""Frozen values that cross rooms. Rows never leave the catalog; these do.

Token text is never stored here: contexts and statistics carry token ids, and a `Vocabulary`
turns them into bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

HarvestStatus = Literal["queued", "running", "paused", "complete", "failed", "cancelled", "replaced", "preview"]
JobStatus = Literal["queued", "running", "paused", "complete", "failed", "cancelled"]
ENDED: frozenset[JobStatus] = frozenset({"complete", "failed", "cancelled"})
HIGHEST_PRIORITY = 100


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A language model the catalog knows, with the rules of its tokenizer."""

    slug: str
    name: str
    source: str
    architecture: str
    weights_hash: str
    tokenizer_hash: str
    d_model: int
    n_layers: int
    d_vocab: int
    n_ctx: int
    tokenizer_rules: Mapping[str, Any]


POSITION_TOKENS = "position_tokens"
"""Where a harvest's provenance says how many tokens stood in each bucket of positions."""

SO_FAR = "so_far"
"""Where a preview says what it is of: harvest, shards of of_shards, tokens of of_tokens, and how that one stopped."""


@dataclass(frozen=True, slots=True)
class HarvestRecord:
    """One pass of a corpus through a model with one or more dictionaries attached.

    `tokens` counts what the reducers see: special tokens are left out of it.
    features: those it is of, such as '0-4095,5000'; None where it is of all that the dictionaries have.
    A harvest with the status "preview" says what another one has seen so far.
    """

    id: str
    status: HarvestStatus
    model: str
    corpus: str
    dictionaries: tuple[str, ...]
    job_id: str | None
    tokens_done: int
    tokens: int
    n_contexts: int
    n_documents: int
    n_ctx: int
    plan: Mapping[str, Any]
    provenance: Mapping[str, Any]
    created_at: str
    finished_at: str | None
    error: str | None
    features: str | None = None

    @property
    def so_far(self) -> Mapping[str, Any] | None:
        """Of which part of which harvest this is a preview; None where it is none."""
        return self.provenance.get(SO_FAR)


@dataclass(frozen=True, slots=True)
class DictionaryRecord:
    """Anything that turns activations at a hook into feature activations.

    kind: relu, topk, jumprelu, neurons, pca or random. `hash` is its identity; `slug` a readable alias.
    conventions: BOS rule, n_ctx, weight processing, excluded tokens. config: k, firing rule and the like.
    quality: l0, fvu, loss_recovered, dead_fraction, dense_fraction with their sample, or None.
    harvest: the newest complete harvest, else the newest preview of one, else the newest running one, else None.
    """

    slug: str
    name: str
    hash: str
    model: str
    hook_name: str
    kind: str
    d_in: int
    d_sae: int
    source: str
    conventions: Mapping[str, Any]
    config: Mapping[str, Any]
    quality: Mapping[str, Any] | None
    harvest: HarvestRecord | None


@dataclass(frozen=True, slots=True)
class DictionarySummary:
    """What one harvest says of a whole dictionary, in counts.

    density_histogram: (log10 density edge, features) pairs over features that fired; `n_dead` never fired.
    l0: mean number of features firing on a token.
    """

    n_features: int
    n_dead: int
    n_dense: int
    l0: float
    density_edges: tuple[float, ...]
    density_counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A long piece of work and how far it is. `rate` is units a second; `seconds_left` an estimate.

    priority: of the jobs that wait, those of a higher one go first, then the older ones.
    """

    id: str
    kind: str
    title: str
    status: JobStatus
    done: int
    total: int
    unit: str
    rate: float | None
    seconds_left: float | None
    message: str
    error: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A job that a worker cannot do, and why."""

    job_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """A worker process that has been heard of, and when.

    refuses: jobs that it has handed back to the others. live_address: where its live door is, if it is open.
    """

    executor_id: str
    host: str
    pid: int
    version: str
    device: str
    last_seen_at: str
    alive: bool
    refuses: tuple[Refusal, ...] = ()
    live_address: str | None = None


@dataclass(frozen=True, slots=True)
class FeatureSummary:
    """One line of a dictionary's list of features.

    density: share of tokens on which it fires. sparkline: firing counts in 24 equal slices of
    log activation between the smallest and the largest seen, scaled to 0..255 by log count.
    promoted: token ids, strongest first. top_token: id of the likeliest token, or None.
    """

    index: int
    density: float
    tokens_fired: int
    peak: float
    mean: float
    top_token: int | None
    promoted: tuple[int, ...]
    sparkline: bytes
    label: str | None


@dataclass(frozen=True, slots=True, eq=False)
class FeatureScales:
    """How often some features fire in a harvest, and how strongly at most.

    indices: ascending; features that the harvest leaves out, or has not written yet, are absent. peaks: greatest
    activations. tokens: how many the harvest went through. harvest: its id, None where there is none yet.
    """

    harvest: str | None
    tokens: int
    indices: NDArray[np.int64]
    tokens_fired: NDArray[np.int64]
    peaks: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ContextSet:
    """Contexts with the sparse activations of one feature, kept as flat arrays.

    Row i fires at positions[offsets[i]:offsets[i + 1]] with the activations beside them.
    Positions count from the start of the context, BOS included. peaks are exact.
    """

    context_ids: NDArray[np.int64]
    peaks: NDArray[np.float32]
    offsets: NDArray[np.int64]
    positions: NDArray[np.int64]
    activations: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Bands:
    """Fifths of the sampled firing contexts, strongest first, ranked by (peak, context id).

    low, high: activation interval of peaks in the band. share_of_firings, share_of_activation: of the
    sampled contexts' firing tokens and of their total activation. band: which fifth each context of
    `contexts` (those shown, up to five a band) belongs to, 0 strongest.
    sample_size: firing contexts sampled; sample_of: firing contexts in all.
    """

    low: NDArray[np.float32]
    high: NDArray[np.float32]
    share_of_firings: NDArray[np.float32]
    share_of_activation: NDArray[np.float32]
    band: NDArray[np.uint8]
    contexts: ContextSet
    sample_size: int
    sample_of: int


@dataclass(frozen=True, slots=True, eq=False)
class Controls:
    """Contexts in which the feature is silent. reason: 0 by hash alone, 1 contains one of its three
    commonest tokens (`related` is that token id), 2 a related feature fires there (`related` its index).
    """

    context_ids: NDArray[np.int64]
    reason: NDArray[np.uint8]
    related: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Reserve:
    """Contexts no page, export or API shows outside a blind test: firing ones with band, and controls."""

    contexts: ContextSet
    band: NDArray[np.uint8]
    controls: Controls


@dataclass(frozen=True, slots=True, eq=False)
class TokenStatistics:
    """Statistics of one token place (the token itself, the one before or the one after), best F1 first.

    recall: P(token | fires), from the sample. precision: P(fires | token), with the exact counts.
    lift: precision over density. mass: share of total activation. low, high: 95 % interval of recall.
    """

    token_ids: NDArray[np.int64]
    recall: NDArray[np.float32]
    precision: NDArray[np.float32]
    lift: NDArray[np.float32]
    mass: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class LogitEffects:
    """Direct effect of the decoder direction on output logits, centred over the vocabulary.

    counts: histogram of all d_vocab effects in equal bins from low to high.
    None in `FeatureRecord` where the hook has no path to the residual stream.
    """

    promoted_ids: NDArray[np.int64]
    promoted: NDArray[np.float32]
    suppressed_ids: NDArray[np.int64]
    suppressed: NDArray[np.float32]
    low: float
    high: float
    counts: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Coactivation:
    """Features that fire on the same tokens, by Jaccard. joint: tokens of the sample on which both fire."""

    indices: NDArray[np.int64]
    jaccard: NDArray[np.float32]
    other_given_this: NDArray[np.float32]
    this_given_other: NDArray[np.float32]
    joint: NDArray[np.int64]
    sample_tokens: int


@dataclass(frozen=True, slots=True, eq=False)
class FeatureRecord:
    """Everything one harvest and the weights say of one feature (design: one pass, every feature).

    histogram_bins are indices of `catalog.grid`; histogram_counts the firing tokens in each.
    position_fired, position_sum: firing tokens and summed activation in each bucket of positions.
    neighbour_*: nearest features by decoder cosine.
    """

    index: int
    tokens_fired: int
    contexts_fired: int
    documents_fired: int
    activation_sum: float
    activation_sum_squares: float
    peak: float
    histogram_bins: NDArray[np.int64]
    histogram_counts: NDArray[np.int64]
    top: ContextSet
    bands: Bands
    controls: Controls
    reserve: Reserve
    tokens: TokenStatistics
    previous_tokens: TokenStatistics
    next_tokens: TokenStatistics
    position_fired: NDArray[np.int64]
    position_sum: NDArray[np.float32]
    logits: LogitEffects | None
    neighbour_indices: NDArray[np.int64]
    neighbour_cosines: NDArray[np.float32]
    coactivation: Coactivation
    encoder_decoder_cosine: float
    decoder_norm: float
    label: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ContextRecord:
    """One context: n_ctx tokens or fewer of one document. start: offset in the document's tokens."""

    id: int
    document: str
    document_id: int
    start: int
    token_ids: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CorpusRecord:
    """A tokenised corpus, known by its hash. description: where it came from and how it was read.

    n_tokens counts text tokens, without BOS.
    """

    slug: str
    name: str
    hash: str
    tokenizer_hash: str
    n_tokens: int
    n_documents: int
    description: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class ContextBatch:
    """Contexts to be stored: context_ids, document_ids, starts and lengths [n], token_ids [n, n_ctx].

    lengths count the tokens of a row that are real, BOS included; what is beyond is padding and not stored.
    """

    context_ids: NDArray[np.int64]
    document_ids: NDArray[np.int64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    token_ids: NDArray[np.integer]


@dataclass(frozen=True, slots=True, eq=False)
class ExampleRecord:
    """Text of somebody's own, pinned to a feature with what live inference made of it then.

    token_ids: of all its contexts one behind the other, with BOS. positions: in token_ids, where the feature fires,
    with the activations beside them. facts: plain JSON values on where and how it was worked out.
    """

    id: int
    dictionary_hash: str
    index: int
    text: str
    author: str
    created_at: str
    token_ids: NDArray[np.int32]
    positions: NDArray[np.int32]
    activations: NDArray[np.float32]
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class PageHead:
    """What the pages of all features of one dictionary in one harvest share. run: number of the row that ties them."""

    dictionary: DictionaryRecord
    harvest: HarvestRecord
    run: int


@dataclass(frozen=True, slots=True, eq=False)
class FeaturePageData:
    """Everything the catalog has for one feature's page, its reserve left out.

    dictionary.harvest is the one shown; contexts has every context that the feature refers to, by id.
    previous, next: the nearest live features on either side, None at the ends. head: for the next page's request.
    n_examples: how many texts are pinned to it.
    """

    dictionary: DictionaryRecord
    harvest: HarvestRecord
    feature: FeatureRecord
    contexts: Mapping[int, ContextRecord]
    previous: int | None
    next: int | None
    head: PageHead | None = None
    n_examples: int = 0
