"""Whether a stored context that is run again gives what was stored, token by token, within what its dtype allows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.live_answers import LiveFirings
from catalog.records import ContextSet, FeatureRecord, HarvestRecord
from catalog.storage_steps import TOP

# As a share of the feature's harvest maximum: another batch shape, thread count or device rounds otherwise.
TOLERANCE = {"float32": 1e-3, "bfloat16": 2e-2, "float16": 2e-2}
COARSEST = max(TOLERANCE.values())


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """Stored and live activations of one feature at every token that fires in either, 0 where it is silent.

    is_flip: it fires on one side only. is_near: a flip whose live pre-activation is within `allowed` of its bar, the
    threshold or the k-th value, so that rounding explains it.
    allowed: how far the two may be apart where both fire, in the units of the activations.
    """

    positions: NDArray[np.int64]
    stored: NDArray[np.float32]
    live: NDArray[np.float32]
    is_flip: NDArray[np.bool_]
    is_near: NDArray[np.bool_]
    allowed: float

    @property
    def differences(self) -> NDArray[np.float32]:
        """Live less stored."""
        return self.live - self.stored

    @property
    def greatest(self) -> float:
        """The greatest difference, either way, where both fire; 0 where they never do."""
        return float(np.abs(self.differences[~self.is_flip]).max(initial=0.0))

    @property
    def n_flips(self) -> int:
        """Tokens on which one side fires and the other does not."""
        return int(self.is_flip.sum())

    @property
    def n_unexplained(self) -> int:
        """Flips that rounding does not explain."""
        return int((self.is_flip & ~self.is_near).sum())

    @property
    def passes(self) -> bool:
        """No difference beyond what is allowed, and no flip that rounding does not explain."""
        return self.greatest <= self.allowed and self.n_unexplained == 0


def compare(stored: Mapping[int, float], live: LiveFirings, index: int, *, peak: float, tolerance: float) -> Agreement:
    """Hold what was stored of feature `index` in one context against what came of running it again.

    stored: activations by position. live: of that context, given by its token ids, with the margins of the feature.
    peak: the feature's harvest maximum. tolerance: a share of it, beside which the storage step is allowed.
    """
    mine = live.features == index
    found = dict(zip(live.positions[mine].tolist(), live.activations[mine].tolist(), strict=True))
    positions = np.array(sorted(stored.keys() | found.keys()), dtype=np.int64)
    before = np.array([stored.get(at, 0.0) for at in positions.tolist()], dtype=np.float32)
    now = np.array([found.get(at, 0.0) for at in positions.tolist()], dtype=np.float32)
    allowed = peak * (tolerance + 1 / TOP)
    distance = np.abs(live.pre_acts - live.bars)[positions]
    # A token that is left out has no margin, NaN, and is near nothing.
    return Agreement(positions, before, now, (before > 0) != (now > 0), distance <= allowed, allowed)


def tolerance_of(*dtypes: str) -> float:
    """What the coarsest of these dtypes allows; one that nobody knows counts as coarse."""
    return max(TOLERANCE.get(dtype, COARSEST) for dtype in dtypes)


def stored_contexts(feature: FeatureRecord) -> dict[int, dict[int, float]]:
    """Every context that pages show of a feature with its activations by position, none in the controls."""
    found: dict[int, dict[int, float]] = {context: {} for context in feature.controls.context_ids.tolist()}
    for contexts in (feature.bands.contexts, feature.top):
        found |= dict(zip(contexts.context_ids.tolist(), _rows(contexts), strict=True))
    return found


def other_makings(harvest: HarvestRecord, dictionary_hash: str, facts: Mapping[str, Any]) -> tuple[str, ...]:
    """What a worker has loaded that is not what made the harvest, by hash: model, tokenizer, dictionary.

    facts: what the live answer says of the dictionary. What the harvest does not name is not held against it.
    """
    made_by = harvest.provenance
    model = made_by.get("model")
    pairs: dict[str, tuple[Any, Any]] = {
        "model": (model.get("weights_hash") if isinstance(model, Mapping) else None, facts.get("model_weights")),
        "tokenizer": (made_by.get("tokenizer_hash"), facts.get("tokenizer")),
    }
    names = [name for name, (before, now) in pairs.items() if before is not None and before != now]
    hashes = _dictionary_hashes(made_by.get("dictionaries"))
    return (*names, "dictionary") if hashes and dictionary_hash not in hashes else tuple(names)


def _dictionary_hashes(listed: Any) -> set[str]:
    entries: Iterable[Any] = listed if isinstance(listed, list) else ()
    return {entry["hash"] for entry in entries if isinstance(entry, Mapping) and "hash" in entry}


def _rows(contexts: ContextSet) -> list[dict[int, float]]:
    ends = contexts.offsets.tolist()
    positions, activations = contexts.positions.tolist(), contexts.activations.tolist()
    return [dict(zip(positions[start:stop], activations[start:stop], strict=True)) for start, stop in pairwise(ends)]
