"""From a harvest's columns to the records that the catalog stores, a feature at a time."""

from collections.abc import Iterator, Mapping
from typing import Any

from catalog.records import (
    Bands,
    Coactivation,
    ContextSet,
    Controls,
    DictionarySummary,
    FeatureRecord,
    LogitEffects,
    Reserve,
    TokenStatistics,
)
from worker.harvest.result import HarvestResult, SummaryCounts, WeightResult

TOKEN_PLACES = ("tokens", "previous_tokens", "next_tokens")


def feature_records(result: HarvestResult, weights: WeightResult) -> Iterator[FeatureRecord]:
    """Every feature of a dictionary, in the order of their indices."""
    for index in range(result.d_sae):
        yield feature_record(result.feature(index), weights.feature(index))


def feature_record(found: Mapping[str, Any], weighed: Mapping[str, Any]) -> FeatureRecord:
    """One feature. found, weighed: what `HarvestResult.feature` and `WeightResult.feature` give."""
    logits = weighed["logits"]
    reserve = found["reserve"]
    made = {
        "top": ContextSet(**found["top"]),
        "bands": Bands(**{**found["bands"], "contexts": ContextSet(**found["bands"]["contexts"])}),
        "controls": Controls(**found["controls"]),
        "reserve": Reserve(
            contexts=ContextSet(**reserve["contexts"]),
            band=reserve["band"],
            controls=Controls(**reserve["controls"]),
        ),
        "coactivation": Coactivation(**found["coactivation"]),
        "logits": None if logits is None else LogitEffects(**logits),
    }
    made |= {place: TokenStatistics(**found[place]) for place in TOKEN_PLACES}
    return FeatureRecord(**{**found, **weighed, **made})


def summary_record(summary: SummaryCounts) -> DictionarySummary:
    """What a harvest says of a whole dictionary."""
    return DictionarySummary(**{name: getattr(summary, name) for name in DictionarySummary.__dataclass_fields__})
