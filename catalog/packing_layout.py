"""Which fields of a feature's record are packed, in which order and by which coding.

Changing anything here changes the stored bytes: raise `packing.VERSION`.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from operator import attrgetter
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from catalog.records import (
    Bands,
    Coactivation,
    ContextSet,
    Controls,
    FeatureRecord,
    LogitEffects,
    Reserve,
    TokenStatistics,
)


class Coding(IntEnum):
    """How the values of a field are written. ROWS: ascending within each context. Others: `storage_steps.py`."""

    PLAIN = 0
    ASCENDING = 1
    ROWS = 2
    SIGNED = 3
    SHARE = 4
    LOG = 5
    MEAN = 6
    COSINE = 7
    EFFECT = 8


@dataclass(frozen=True, slots=True)
class Field:
    """An array of the record. name: dotted path; group: arrays of a group are as long as each other."""

    name: str
    group: str
    coding: Coding = Coding.PLAIN
    dtype: type[np.generic] = np.int64


def _context_numbers(path: str, group: str) -> tuple[Field, ...]:
    return (
        Field(f"{path}.context_ids", group),
        Field(f"{path}.offsets", group, Coding.ASCENDING),
        Field(f"{path}.positions", f"{group}_firings", Coding.ROWS),
    )


def _control_numbers(path: str, group: str) -> tuple[Field, ...]:
    return (
        Field(f"{path}.context_ids", group),
        Field(f"{path}.reason", group, Coding.PLAIN, np.uint8),
        Field(f"{path}.related", group, Coding.SIGNED),
    )


CONTEXT_SETS = (("top", "top"), ("bands.contexts", "bands"), ("reserve.contexts", "reserve"))
_PLACES: tuple[Literal["tokens", "previous_tokens", "next_tokens"], ...] = ("tokens", "previous_tokens", "next_tokens")
_STATISTICS = ("recall", "precision", "lift", "mass", "low", "high")

NUMBERS = (
    Field("histogram_bins", "histogram", Coding.ASCENDING),
    Field("histogram_counts", "histogram"),
    *(field for path, group in CONTEXT_SETS for field in _context_numbers(path, group)),
    Field("bands.band", "bands", Coding.PLAIN, np.uint8),
    Field("reserve.band", "reserve", Coding.PLAIN, np.uint8),
    *_control_numbers("controls", "controls"),
    *_control_numbers("reserve.controls", "reserve_controls"),
    *(Field(f"{place}.token_ids", place) for place in _PLACES),
    Field("position_fired", "positions"),
    Field("position_sum", "positions", Coding.MEAN, np.float32),
    Field("logits.promoted_ids", "promoted"),
    Field("logits.suppressed_ids", "suppressed"),
    Field("logits.counts", "logit_bins"),
    Field("neighbour_indices", "neighbours"),
    Field("coactivation.indices", "partners"),
    Field("coactivation.joint", "partners"),
)
HALVES = (
    *(Field(f"{path}.activations", f"{group}_firings", Coding.SHARE) for path, group in CONTEXT_SETS),
    *(Field(f"{place}.{name}", place, Coding.LOG) for place in _PLACES for name in _STATISTICS),
    Field("bands.share_of_firings", "fifths", Coding.LOG),
    Field("bands.share_of_activation", "fifths", Coding.LOG),
    Field("coactivation.jaccard", "partners", Coding.LOG),
    Field("coactivation.other_given_this", "partners", Coding.LOG),
    Field("coactivation.this_given_other", "partners", Coding.LOG),
    Field("logits.promoted", "promoted", Coding.EFFECT),
    Field("logits.suppressed", "suppressed", Coding.EFFECT),
    Field("neighbour_cosines", "neighbours", Coding.COSINE),
)
"""Fields of a coding follow each other, so that they are decoded together."""
SINGLES = (
    *(Field(f"{path}.peaks", group) for path, group in CONTEXT_SETS),
    Field("bands.low", "fifths"),
    Field("bands.high", "fifths"),
)
GROUPS = tuple(dict.fromkeys(field.group for field in (*NUMBERS, *HALVES, *SINGLES)))

_COUNT_NAMES = (
    "index",
    "tokens_fired",
    "contexts_fired",
    "documents_fired",
    "bands.sample_size",
    "bands.sample_of",
    "coactivation.sample_tokens",
)
COUNTS = attrgetter(*_COUNT_NAMES)
HEAD = (*_COUNT_NAMES, *GROUPS)
_READ_SCALARS: tuple[str, ...] = ("peak", "encoder_decoder_cosine", "decoder_norm", "logits.low", "logits.high")
SCALARS = attrgetter(*_READ_SCALARS)
SCALAR_NAMES: tuple[str, ...] = (*_READ_SCALARS, "logit_scale")
N_SCALARS = len(SCALAR_NAMES)
DOUBLES = attrgetter("activation_sum", "activation_sum_squares")
MEAN_COLUMN = [field.name for field in NUMBERS].index("position_sum")
POSITION_COLUMNS = tuple(
    (path, [field.name for field in NUMBERS].index(f"{path}.positions")) for path, _ in CONTEXT_SETS
)
_OFFSET_COLUMNS = tuple(column for column, field in enumerate(NUMBERS) if field.name.endswith(".offsets"))

_NO_IDS = np.zeros(0, dtype=np.int64)
_NO_VALUES = np.zeros(0, dtype=np.float32)
_NO_BYTES = np.zeros(0, dtype=np.uint8)
NO_LOGITS = LogitEffects(_NO_IDS, _NO_VALUES, _NO_IDS, _NO_VALUES, 0.0, 0.0, _NO_IDS)
EMPTY_CONTEXTS = ContextSet(_NO_IDS, _NO_VALUES, np.zeros(1, dtype=np.int64), _NO_IDS, _NO_VALUES)
EMPTY_CONTROLS = Controls(_NO_IDS, _NO_BYTES, _NO_IDS)
EMPTY_RESERVE = Reserve(EMPTY_CONTEXTS, _NO_BYTES, EMPTY_CONTROLS)

_get_numbers = attrgetter(*(field.name for field in NUMBERS))
_get_halves = attrgetter(*(field.name for field in HALVES))
_get_singles = attrgetter(*(field.name for field in SINGLES))


def with_logits(record: FeatureRecord) -> FeatureRecord:
    """The record with empty logit effects in place of none; no output token means none."""
    return replace(record, logits=NO_LOGITS) if record.logits is None else record


def numbers(record: FeatureRecord) -> list[NDArray]:
    """The arrays of NUMBERS; offsets without their leading 0."""
    values = list(_get_numbers(record))
    for column in _OFFSET_COLUMNS:
        values[column] = values[column][1:]
    return values


def halves(record: FeatureRecord) -> tuple[NDArray, ...]:
    """The arrays of HALVES."""
    return _get_halves(record)


def singles(record: FeatureRecord) -> tuple[NDArray, ...]:
    """The arrays of SINGLES."""
    return _get_singles(record)


def context_set(record: FeatureRecord, path: str) -> ContextSet:
    """The set of contexts at a dotted path."""
    return attrgetter(path)(record)


def build(
    values: dict[str, NDArray], counts: dict[str, int], scalars: dict[str, float], doubles: list[float]
) -> FeatureRecord:
    """The record from its unpacked arrays by dotted path, its counts, its float32 and float64 scalars."""

    def part(kind: Any, path: str, **more: Any) -> Any:
        names = (name for name in kind.__dataclass_fields__ if name not in more)
        return kind(**{name: values[f"{path}.{name}"] for name in names}, **more)

    def contexts(path: str) -> ContextSet:
        offsets = np.concatenate([np.zeros(1, dtype=np.int64), values[f"{path}.offsets"]])
        return part(ContextSet, path, offsets=offsets)

    has_logits = counts["promoted"] + counts["suppressed"] + counts["logit_bins"] > 0
    sizes = {"sample_size": counts["bands.sample_size"], "sample_of": counts["bands.sample_of"]}
    reserve_controls = part(Controls, "reserve.controls")
    return FeatureRecord(
        **{name: counts[name] for name in ("index", "tokens_fired", "contexts_fired", "documents_fired")},
        activation_sum=doubles[0],
        activation_sum_squares=doubles[1],
        **{name: scalars[name] for name in ("peak", "encoder_decoder_cosine", "decoder_norm")},
        **{name: values[name] for name in _PLAIN_ARRAYS},
        top=contexts("top"),
        bands=part(Bands, "bands", contexts=contexts("bands.contexts"), **sizes),
        controls=part(Controls, "controls"),
        reserve=part(Reserve, "reserve", contexts=contexts("reserve.contexts"), controls=reserve_controls),
        **{place: part(TokenStatistics, place) for place in _PLACES},
        logits=part(LogitEffects, "logits", low=scalars["logits.low"], high=scalars["logits.high"])
        if has_logits
        else None,
        coactivation=part(Coactivation, "coactivation", sample_tokens=counts["coactivation.sample_tokens"]),
    )


_PLAIN_ARRAYS = (
    "histogram_bins",
    "histogram_counts",
    "position_fired",
    "position_sum",
    "neighbour_indices",
    "neighbour_cosines",
)
