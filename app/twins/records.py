"""Dictionaries, models, lists and jobs as plain JSON values."""

from dataclasses import asdict
from typing import Any

from catalog.queries import FeatureListPage
from catalog.records import DictionaryRecord, HarvestRecord, JobRecord, ModelRecord, WorkerRecord
from catalog.tokens import Vocabulary


def plain(value: float) -> float:
    """A stored single-precision number without the digits it never had."""
    return float(f"{value:.7g}")


def model_json(model: ModelRecord) -> dict[str, Any]:
    """A language model."""
    return {**asdict(model), "tokenizer_rules": dict(model.tokenizer_rules)}


def dictionary_json(dictionary: DictionaryRecord) -> dict[str, Any]:
    """A dictionary with its newest harvest in short."""
    return {
        "name": dictionary.name,
        "slug": dictionary.slug,
        "hash": dictionary.hash,
        "model": dictionary.model,
        "hook_name": dictionary.hook_name,
        "kind": dictionary.kind,
        "d_in": dictionary.d_in,
        "d_sae": dictionary.d_sae,
        "source": dictionary.source,
        "conventions": dict(dictionary.conventions),
        "config": dict(dictionary.config),
        "quality": None if dictionary.quality is None else dict(dictionary.quality),
        "harvest": None if dictionary.harvest is None else harvest_json(dictionary.harvest),
    }


def harvest_json(harvest: HarvestRecord) -> dict[str, Any]:
    """A harvest in short."""
    return {
        "id": harvest.id,
        "status": harvest.status,
        "tokens": harvest.tokens,
        "tokens_done": harvest.tokens_done,
        "corpus": harvest.corpus,
        "n_ctx": harvest.n_ctx,
        "features": harvest.features,
        "n_contexts": harvest.n_contexts,
        "n_documents": harvest.n_documents,
        "finished_at": harvest.finished_at,
        "so_far": None if harvest.so_far is None else dict(harvest.so_far),
    }


def features_json(page: FeatureListPage, vocabulary: Vocabulary) -> dict[str, Any]:
    """A page of a list of features."""
    return {
        "features": [
            {
                "index": feature.index,
                "density": feature.density,
                "tokens_fired": feature.tokens_fired,
                "peak": plain(feature.peak),
                "mean": plain(feature.mean),
                "label": feature.label,
                "top_token": None if feature.top_token is None else vocabulary.text(feature.top_token),
                "promoted": [vocabulary.text(i) for i in feature.promoted],
            }
            for feature in page.features
        ],
        "next": page.next,
        "previous": page.previous,
        "harvest": page.harvest,
    }


def provenance_json(dictionary: DictionaryRecord, harvest: HarvestRecord) -> dict[str, Any]:
    """Everything needed to make the numbers of a page again."""
    return {
        "dictionary": {key: value for key, value in dictionary_json(dictionary).items() if key != "harvest"},
        "harvest": {**harvest_json(harvest), "plan": dict(harvest.plan), **dict(harvest.provenance)},
    }


def jobs_json(jobs: list[JobRecord], workers: list[WorkerRecord]) -> dict[str, Any]:
    """Jobs and workers."""
    return {"jobs": [asdict(job) for job in jobs], "workers": [asdict(worker) for worker in workers]}
