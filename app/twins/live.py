"""What dictionaries make of texts, as JSON: written in pieces, for a long text has millions of firings."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.library import Library
from app.live.fired import FiredFeatures, by_feature
from app.live.surprise import surprises
from app.twins.records import plain
from catalog.live_answers import LiveAnswer, LiveFirings
from catalog.records import DictionaryRecord


@dataclass(frozen=True, slots=True)
class LiveDetail:
    """How much is told. limit: of features of a result; with_harvest: what their harvest says of them, too."""

    limit: int | None = None
    with_harvest: bool = False


def live_json(
    answer: LiveAnswer, dictionaries: Mapping[str, DictionaryRecord], library: Library, detail: LiveDetail
) -> Iterator[str]:
    """Every text with every dictionary, text by text. dictionaries: by hash."""
    told = answer.facts.get("dictionaries", {})
    provenance = {dictionaries[each].slug: facts for each, facts in told.items()}
    yield f'{{"provenance":{_text(provenance)},"results":['
    for number, found in enumerate(answer.results):
        yield "," if number else ""
        yield from _result(found, dictionaries[found.dictionary], library, detail)
    yield "]}"


def _result(found: LiveFirings, dictionary: DictionaryRecord, library: Library, detail: LiveDetail) -> Iterator[str]:
    fired = by_feature(found)
    order = np.lexsort((fired.features, -fired.peaks))[: detail.limit]
    said = _details(fired, order, dictionary, library) if detail.with_harvest else [{} for _ in order]
    head = {
        "text": found.text,
        "dictionary": dictionary.slug,
        "hash": dictionary.hash,
        "harvest": dictionary.harvest and dictionary.harvest.id,
        "tokens": library.vocabulary(dictionary).texts(found.token_ids),
        "token_ids": found.token_ids.tolist(),
        "context_starts": found.context_starts.tolist(),
        "n_features": len(fired.features),
    }
    yield f'{_text(head)[:-1]},"features":['
    for place, (row, more) in enumerate(zip(order.tolist(), said, strict=True)):
        yield ("," if place else "") + _text(_feature(fired, row) | more)
    yield "]}"


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _feature(fired: FiredFeatures, row: int) -> dict[str, Any]:
    here = fired.firings(row)
    columns = zip(fired.positions[here].tolist(), fired.activations[here].tolist(), strict=True)
    return {
        "index": int(fired.features[row]),
        "peak": plain(float(fired.peaks[row])),
        "sum": plain(float(fired.sums[row])),
        "n_tokens": int(fired.n_tokens[row]),
        "activations": [[position, plain(value)] for position, value in columns],
    }


def _details(
    fired: FiredFeatures, order: np.ndarray, dictionary: DictionaryRecord, library: Library
) -> list[dict[str, Any]]:
    """What the harvest says of the features in that order; values are None where it says nothing."""
    features = fired.features[order]
    harvest_id = dictionary.harvest and dictionary.harvest.id
    lines = {line.index: line for line in library.reader.some_features(dictionary.slug, features, harvest_id)}
    histograms = library.reader.histograms(dictionary.slug, features, harvest_id)
    tokens = dictionary.harvest.tokens if dictionary.harvest else 0
    surprising = surprises(fired.peaks[order], features, histograms, tokens=tokens)
    details = []
    for feature, surprise in zip(features.tolist(), surprising.tolist(), strict=True):
        line = lines.get(feature)
        details.append(
            {
                "label": line and line.label,
                "density": line and line.density,
                "harvest_peak": None if line is None else plain(line.peak),
                "surprise": None if np.isnan(surprise) else round(surprise, 4),
            }
        )
    return details
