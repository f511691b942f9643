"""What a harvest takes in memory, whatever the number of tokens: an estimate from above, phase by phase.

Beside the process with the model in it there are the dictionaries' weights, the reducers, and what comes and goes with
a batch; in the end the folded numbers of one dictionary at a time. Figures are of bytes that are written to, since
room that is only reserved is not counted as the process's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from worker.harvest.encode import TILE_BYTES
from worker.harvest.grid import N_BINS
from worker.harvest.plan import HarvestPlan
from worker.harvest.position import MOST_BUCKETS
from worker.harvest.weights import BLOCK_BYTES

# Bytes of a firing: in a kept row, and while a batch's firings are found, sorted by feature and cut into segments.
_KEPT_FIRING, _BATCH_FIRING = 6, 64
# Bytes of a place for a kept row in a reducer, and of what sorts and copies it when it is saved.
_ROW, _SAVED_ROW = 32, 64
# Rooms for rows are filled to twice what is kept before they are squeezed, into a third.
_ROOMS = 3
# Bytes of a feature: counts and edges; in the columns of a result, contexts apart.
_COUNTS, _RESULT = 96, 6000
# Bytes of a firing and of a row in merged lists, their columns and what is chosen of them.
_FOLDED_FIRING, _FOLDED_ROW = 24, 72
_BATCH_TOKEN = 96
_JOINT, _THREADS = 12, 4
_READ_WHOLE, _FEATURES_AT_ONCE = 32_768, 1024


@dataclass(frozen=True, slots=True)
class Load:
    """One dictionary as memory sees it.

    features: those that are reduced. weights: bytes of its tensors and of the copy that a product reads.
    l0: firings of these features a token. row: firings of a feature in a context in which it fires, in the mean.
    """

    d_in: int
    d_sae: int
    features: int
    weights: int
    l0: float
    row: float


@dataclass(frozen=True, slots=True)
class Forward:
    """What the model takes beside its weights.

    a_token: bytes that are held at once in a forward pass, for each token. d_model, d_vocab: of its unembedding.
    """

    a_token: float
    d_model: int
    d_vocab: int


def pass_bytes(plan: HarvestPlan, loads: Sequence[Load], forward: Forward) -> int:
    """Most that is held beside the process while the dictionaries go through a shard together."""
    standing = sum(load.weights + _reducers(plan, load) for load in loads)
    return int(standing + max(_batch(plan, loads, forward), max(_saving(plan, load) for load in loads)))


def finish_bytes(plan: HarvestPlan, load: Load, forward: Forward) -> int:
    """Most that is held beside the process while one dictionary is weighed, folded and written."""
    weighing = 4 * load.d_sae * load.d_in + 12 * forward.d_model * forward.d_vocab + 8 * BLOCK_BYTES
    return int(load.weights + max(weighing, _folding(plan, load)))


def batch_sizes(plan: HarvestPlan) -> list[int]:
    """Sizes of a batch to choose from, greatest first: the plan's own, halved down to one context of n_ctx tokens."""
    sizes = [plan.options.batch_tokens]
    while sizes[-1] // 2 >= plan.n_ctx:
        sizes.append(sizes[-1] // 2)
    return sizes


def _kept(plan: HarvestPlan, load: Load) -> tuple[int, float]:
    """Rows of top contexts and sample, and the firings in them, at the most."""
    options = plan.options
    rows = min(options.n_sample, plan.n_contexts) + min(options.n_top, plan.n_contexts)
    return load.features * rows, load.features * rows * load.row


def _fixed(plan: HarvestPlan) -> int:
    """Bytes of a feature whatever it does, in the reducers."""
    return _COUNTS + 4 * N_BINS + 12 * min(plan.n_ctx, MOST_BUCKETS) + plan.options.n_pool // 8


def _joint(plan: HarvestPlan, load: Load) -> float:
    """Bytes of the co-activation sample, with the copy that is made when it is cut down."""
    options = plan.options
    return _JOINT * min(
        2 * options.coactivation_entries, min(options.coactivation_tokens, plan.corpus_tokens) * load.l0
    )


def _reducers(plan: HarvestPlan, load: Load) -> float:
    rows, firings = _kept(plan, load)
    return load.features * _fixed(plan) + rows * _ROW + _ROOMS * firings * _KEPT_FIRING + _joint(plan, load)


def _batch(plan: HarvestPlan, loads: Sequence[Load], forward: Forward) -> float:
    tokens = max(plan.options.batch_tokens, plan.n_ctx)
    hooks = sum(4 * load.d_in for load in loads)
    found = max(tokens * load.l0 * _BATCH_FIRING + 8 * (_THREADS + 6) * load.d_sae for load in loads)
    tile = min(TILE_BYTES, 4 * tokens * max(load.d_sae for load in loads))
    return tokens * (forward.a_token + hooks + _BATCH_TOKEN) + tile + found


def _saving(plan: HarvestPlan, load: Load) -> float:
    rows, firings = _kept(plan, load)
    return rows * _SAVED_ROW + 2 * firings * _KEPT_FIRING


def _folding(plan: HarvestPlan, load: Load) -> float:
    rows, firings = _kept(plan, load)
    if plan.n_contexts <= _READ_WHOLE:
        read = plan.n_contexts
    else:
        read = min(plan.n_contexts, min(load.features, _FEATURES_AT_ONCE) * plan.options.n_sample)
    texts = 8 * read * plan.n_ctx
    lists = rows * _FOLDED_ROW + firings * _FOLDED_FIRING
    return load.features * (2 * _fixed(plan) + _RESULT) + lists + texts + _joint(plan, load)
