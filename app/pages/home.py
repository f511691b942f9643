"""The front page: where to begin, what is there, and how to add more."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.pages.guide import Guide
from app.pages.jobs import JobView
from app.pages.numbers import count, share, significant
from app.pages.preview import preview_words
from catalog.records import DictionaryRecord, ModelRecord


@dataclass(frozen=True, slots=True)
class DictionaryCard:
    """A dictionary as the front page lists it. state: what has been seen of it."""

    slug: str
    name: str
    kind: str
    hook_name: str
    size: str
    quality: str
    state: str


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A language model and its dictionaries."""

    name: str
    facts: str
    dictionaries: tuple[DictionaryCard, ...]


@dataclass(frozen=True, slots=True)
class HomePage:
    """Everything the front page may print."""

    guide: Guide | None
    models: tuple[ModelCard, ...]
    running: tuple[JobView, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to browse yet."""
        return not any(model.dictionaries for model in self.models)


def model_cards(models: Iterable[ModelRecord], dictionaries: Iterable[DictionaryRecord]) -> tuple[ModelCard, ...]:
    """Every model with its dictionaries, in the catalog's order."""
    by_model: dict[str, list[DictionaryCard]] = {}
    for dictionary in dictionaries:
        by_model.setdefault(dictionary.model, []).append(dictionary_card(dictionary))
    return tuple(
        ModelCard(
            name=model.name,
            facts=f"{model.architecture}, {model.n_layers} layers, width {count(model.d_model)}, "
            f"{count(model.d_vocab)} tokens, context {count(model.n_ctx)}",
            dictionaries=tuple(by_model.get(model.slug, ())),
        )
        for model in models
    )


def dictionary_card(dictionary: DictionaryRecord) -> DictionaryCard:
    """One dictionary of the front page."""
    return DictionaryCard(
        slug=dictionary.slug,
        name=dictionary.name,
        kind=dictionary.kind,
        hook_name=dictionary.hook_name,
        size=count(dictionary.d_sae),
        quality=_quality(dictionary),
        state=_state(dictionary),
    )


def _quality(dictionary: DictionaryRecord) -> str:
    quality = dictionary.quality or {}
    parts = []
    if isinstance(quality.get("l0"), int | float):
        parts.append(f"L0 {significant(quality['l0'])}")
    if isinstance(quality.get("fvu"), int | float):
        parts.append(f"FVU {significant(quality['fvu'])}")
    if isinstance(quality.get("loss_recovered"), int | float):
        parts.append(f"loss recovered {share(quality['loss_recovered'])}")
    return ", ".join(parts) or "–"


def _state(dictionary: DictionaryRecord) -> str:
    harvest = dictionary.harvest
    if harvest is None:
        return "not harvested yet"
    if harvest.status == "complete":
        return f"{count(harvest.tokens)} tokens of {harvest.corpus}"
    if harvest.so_far is not None:
        return preview_words(harvest.so_far)
    done = harvest.tokens_done / harvest.tokens if harvest.tokens else 0
    return f"{harvest.status}, {share(done)} of {count(harvest.tokens)} tokens"
