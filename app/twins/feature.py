"""One feature as plain JSON values: the same facts as its page, unrounded where that means anything."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from app.pages.compare import Figure
from app.pages.contexts import row_activations
from app.pages.feature import FeatureSource
from app.pages.whole import shown_activations
from app.twins.labels import label_json
from app.twins.records import plain, provenance_json
from catalog.grid import bin_edges
from catalog.label_records import LabelRecord
from catalog.records import ContextSet, ExampleRecord, FeatureRecord, TokenStatistics
from catalog.tokens import Vocabulary


def feature_json(
    source: FeatureSource, vocabulary: Vocabulary, labels: Sequence[LabelRecord] | None = None
) -> dict[str, Any]:
    """Everything the page shows. labels: the proposed ones; not read, the accepted text stands alone."""
    feature = source.feature
    return {
        "index": feature.index,
        "dictionary": source.dictionary.slug,
        "counts": _counts(source),
        "histogram": _histogram(feature),
        "top_contexts": _contexts(source, feature.top, vocabulary),
        "bands": _bands(source, vocabulary),
        "controls": _controls(source, vocabulary),
        **_logits(feature, vocabulary),
        "token_statistics": {
            "token": _statistics(feature.tokens, vocabulary),
            "previous": _statistics(feature.previous_tokens, vocabulary),
            "next": _statistics(feature.next_tokens, vocabulary),
        },
        "neighbours": [
            {"index": index, "cosine": plain(cosine)}
            for index, cosine in zip(
                feature.neighbour_indices.tolist(), feature.neighbour_cosines.tolist(), strict=True
            )
        ],
        "coactivation": _coactivation(feature),
        "position": {
            "fired": feature.position_fired.tolist(),
            "activation_sum": [plain(value) for value in feature.position_sum.tolist()],
        },
        "labels": _labels(feature, labels),
        "examples": [_example(example, vocabulary) for example in source.examples],
        "previous": source.data.previous,
        "next": source.data.next,
        "provenance": provenance_json(source.dictionary, source.harvest),
    }


def differences_json(figures: Iterable[Figure]) -> list[dict[str, Any]]:
    """Figures of two features, with the second less the first, and the second over the first."""
    return [
        {
            "name": each.name.lower().replace(" ", "_"),
            "a": plain(each.a),
            "b": plain(each.b),
            "difference": plain(each.difference),
            "times": None if each.times is None else plain(each.times),
        }
        for each in figures
    ]


def context_json(source: FeatureSource, context_id: int, vocabulary: Vocabulary) -> dict[str, Any]:
    """One context shown for the feature. Raises NotFound for any other."""
    return _context(source, context_id, shown_activations(source.feature, context_id), vocabulary)


def _example(example: ExampleRecord, vocabulary: Vocabulary) -> dict[str, Any]:
    activations = zip(example.positions.tolist(), example.activations.tolist(), strict=True)
    return {
        "id": example.id,
        "text": example.text,
        "author": example.author,
        "created_at": example.created_at,
        "tokens": vocabulary.texts(example.token_ids.astype(np.int64)),
        "token_ids": example.token_ids.tolist(),
        "activations": [[position, plain(value)] for position, value in activations],
        "worker": dict(example.facts),
    }


def _counts(source: FeatureSource) -> dict[str, Any]:
    feature, harvest = source.feature, source.harvest
    fired = feature.tokens_fired
    return {
        "tokens_fired": fired,
        "tokens": harvest.tokens,
        "density": fired / harvest.tokens if harvest.tokens else 0.0,
        "density_below": 3 / harvest.tokens if fired == 0 and harvest.tokens else None,
        "contexts_fired": feature.contexts_fired,
        "documents_fired": feature.documents_fired,
        "activation_sum": feature.activation_sum,
        "activation_sum_squares": feature.activation_sum_squares,
        "mean": feature.activation_sum / fired if fired else 0.0,
        "peak": plain(feature.peak),
        "encoder_decoder_cosine": plain(feature.encoder_decoder_cosine),
        "decoder_norm": plain(feature.decoder_norm),
    }


def _histogram(feature: FeatureRecord) -> dict[str, Any]:
    """The run of bins from the first that holds anything to the last, with one edge more than counts."""
    if len(feature.histogram_bins) == 0:
        return {"edges": [], "counts": []}
    first, last = int(feature.histogram_bins[0]), int(feature.histogram_bins[-1])
    counts = [0] * (last - first + 1)
    for place, count in zip(feature.histogram_bins.tolist(), feature.histogram_counts.tolist(), strict=True):
        counts[place - first] = count
    return {"edges": [plain(edge) for edge in bin_edges()[first : last + 2].tolist()], "counts": counts}


def _context(
    source: FeatureSource, context_id: int, activations: dict[int, float], vocabulary: Vocabulary
) -> dict[str, Any]:
    context = source.contexts[context_id]
    peak_at = max(activations, key=lambda position: activations[position]) if activations else None
    return {
        "context": context_id,
        "document": context.document,
        "start": context.start,
        "peak": 0.0 if peak_at is None else plain(activations[peak_at]),
        "peak_position": peak_at,
        "tokens": vocabulary.texts(context.token_ids),
        "token_ids": context.token_ids.tolist(),
        "activations": [[position, plain(value)] for position, value in sorted(activations.items())],
    }


def _contexts(source: FeatureSource, contexts: ContextSet, vocabulary: Vocabulary) -> list[dict[str, Any]]:
    rows = enumerate(zip(contexts.context_ids.tolist(), contexts.peaks.tolist(), strict=True))
    return [
        {**_context(source, context_id, row_activations(contexts, row), vocabulary), "peak": plain(peak)}
        for row, (context_id, peak) in rows
    ]


def _bands(source: FeatureSource, vocabulary: Vocabulary) -> dict[str, Any]:
    bands = source.feature.bands
    shown = _contexts(source, bands.contexts, vocabulary)
    return {
        "sample_size": bands.sample_size,
        "sample_of": bands.sample_of,
        "bands": [
            {
                "low": plain(float(bands.low[number])),
                "high": plain(float(bands.high[number])),
                "share_of_firings": plain(float(bands.share_of_firings[number])),
                "share_of_activation": plain(float(bands.share_of_activation[number])),
                "contexts": [
                    context for context, band in zip(shown, bands.band.tolist(), strict=True) if band == number
                ],
            }
            for number in range(len(bands.low))
        ],
    }


def _controls(source: FeatureSource, vocabulary: Vocabulary) -> list[dict[str, Any]]:
    controls = source.feature.controls
    columns = zip(controls.context_ids.tolist(), controls.reason.tolist(), controls.related.tolist(), strict=True)
    return [
        {
            **_context(source, context_id, {}, vocabulary),
            "reason": ("hash", "near_miss_token", "near_miss_feature")[reason],
            "related": None if reason == 0 else related,
        }
        for context_id, reason, related in columns
    ]


def _logits(feature: FeatureRecord, vocabulary: Vocabulary) -> dict[str, Any]:
    effects = feature.logits
    if effects is None:
        return {"promoted": [], "suppressed": [], "logit_histogram": None}

    def rows(ids: list[int], values: list[float]) -> list[dict[str, Any]]:
        return [
            {"token_id": i, "token": vocabulary.text(i), "effect": plain(value)}
            for i, value in zip(ids, values, strict=True)
        ]

    return {
        "promoted": rows(effects.promoted_ids.tolist(), effects.promoted.tolist()),
        "suppressed": rows(effects.suppressed_ids.tolist(), effects.suppressed.tolist()),
        "logit_histogram": {
            "low": plain(effects.low),
            "high": plain(effects.high),
            "counts": effects.counts.tolist(),
        },
    }


def _statistics(statistics: TokenStatistics, vocabulary: Vocabulary) -> list[dict[str, Any]]:
    names = ("recall", "precision", "lift", "mass", "low", "high")
    return [
        {
            "token_id": token_id,
            "token": vocabulary.text(token_id),
            **{name: plain(float(getattr(statistics, name)[row])) for name in names},
        }
        for row, token_id in enumerate(statistics.token_ids.tolist())
    ]


def _labels(feature: FeatureRecord, labels: Sequence[LabelRecord] | None) -> list[dict[str, Any]]:
    if labels is None:
        return [] if feature.label is None else [{"text": feature.label}]
    return [label_json(label) for label in labels]


def _coactivation(feature: FeatureRecord) -> list[dict[str, Any]]:
    partners = feature.coactivation
    return [
        {
            "index": index,
            "jaccard": plain(float(partners.jaccard[row])),
            "other_given_this": plain(float(partners.other_given_this[row])),
            "this_given_other": plain(float(partners.this_given_other[row])),
            "joint": int(partners.joint[row]),
            "sample_tokens": partners.sample_tokens,
        }
        for row, index in enumerate(partners.indices.tolist())
    ]
