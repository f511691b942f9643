"""The guided start: a curated file names a neuron, the features that split it, good features and a bad one."""

from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from app.failures import AppError
from app.pages.contexts import ContextLine, ContextLines
from app.pages.feature import FeatureSource

SHOWN_LINES = 3


class GuideError(AppError):
    """The curated file cannot be read."""


class FeatureChoice(BaseModel):
    """A feature the file names, with a sentence about it."""

    model_config = ConfigDict(extra="ignore")
    dictionary: str
    index: int
    title: str = ""
    note: str = ""


class Sense(BaseModel):
    """One meaning of the neuron and the feature that carries it. text: the meaning in a few words."""

    model_config = ConfigDict(extra="ignore")
    text: str
    feature: FeatureChoice


class NeuronChoice(FeatureChoice):
    """The polysemantic neuron and its senses."""

    senses: list[Sense]


class GuideFile(BaseModel):
    """The curated file as it lies on disk."""

    model_config = ConfigDict(extra="ignore")
    neuron: NeuronChoice
    good: list[FeatureChoice]
    bad: FeatureChoice

    def choices(self) -> list[FeatureChoice]:
        """Every feature the file names, the neuron first."""
        return [self.neuron, *(sense.feature for sense in self.neuron.senses), *self.good, self.bad]


@dataclass(frozen=True, slots=True)
class GuideCard:
    """One feature of the guided start with its strongest lines. title: what it is, in a few words."""

    dictionary: str
    dictionary_name: str
    index: int
    title: str
    note: str
    lines: tuple[ContextLine, ...]


@dataclass(frozen=True, slots=True)
class Guide:
    """The guided start, ready to print."""

    neuron: GuideCard
    senses: tuple[GuideCard, ...]
    good: tuple[GuideCard, ...]
    bad: GuideCard


def read_guide(path: Path) -> GuideFile | None:
    """The curated file, or None where there is none. Raises GuideError where it is malformed."""
    if not path.is_file():
        return None
    try:
        return GuideFile.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise GuideError(f"The guided start {path} is malformed: {error}") from error


def make_guide(file: GuideFile, sources: list[FeatureSource]) -> Guide:
    """Cards for the features of `file.choices()`, given in that order."""
    cards = [_card(choice, source) for choice, source in zip(file.choices(), sources, strict=True)]
    n_senses = len(file.neuron.senses)
    cards[0] = replace(cards[0], lines=_line_a_sense(sources[0], sources[1 : 1 + n_senses]))
    titled = [
        replace(card, title=sense.text) for card, sense in zip(cards[1 : 1 + n_senses], file.neuron.senses, strict=True)
    ]
    return Guide(neuron=cards[0], senses=tuple(titled), good=tuple(cards[1 + n_senses : -1]), bad=cards[-1])


def _line_a_sense(neuron: FeatureSource, senses: list[FeatureSource]) -> tuple[ContextLine, ...]:
    """For each sense the neuron's strongest line that peaks on a token which the sense's feature fires on.

    A neuron's strongest lines often show one sense alone; its quantile bands hold the others. Where a sense has no
    such line, one of the strongest lines takes its place.
    """
    lines = ContextLines(neuron.contexts, neuron.tokens, neuron.feature.peak)
    strongest = [fold.first for fold in lines.folded(neuron.feature.top)]
    every = [*strongest, *lines.lines(neuron.feature.bands.contexts)]
    chosen: dict[int, ContextLine] = {}
    for sense in senses:
        tokens = set(sense.feature.tokens.token_ids.tolist())
        fits = (line for line in every if int(neuron.contexts[line.id].token_ids[line.position]) in tokens)
        found = next((line for line in fits if line.id not in chosen), None)
        if found is not None:
            chosen[found.id] = found
    for line in strongest:
        if len(chosen) < max(SHOWN_LINES, len(senses)):
            chosen.setdefault(line.id, line)
    return tuple(chosen.values())


def _card(choice: FeatureChoice, source: FeatureSource) -> GuideCard:
    lines = ContextLines(source.contexts, source.tokens, source.feature.peak)
    shown = [fold.first for fold in lines.folded(source.feature.top)][:SHOWN_LINES]
    noun = "Neuron" if source.dictionary.kind == "neurons" else "Feature"
    return GuideCard(
        dictionary=choice.dictionary,
        dictionary_name=source.dictionary.name,
        index=choice.index,
        title=choice.title or source.feature.label or f"{noun} {choice.index}",
        note=choice.note,
        lines=tuple(shown),
    )
