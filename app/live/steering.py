"""Features chosen to be changed, and what a worker is asked then: units of a harvest maximum become its own."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from app.library import FeatureNotFound, Library, NotHarvested, NotInSubset
from app.live.failures import LiveFailure
from catalog.records import DictionaryRecord, FeatureSummary

Mode = Literal["add", "set", "remove"]
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True, slots=True)
class Chosen:
    """One feature. line: what its newest harvest says of it, None where that does not have it."""

    dictionary: DictionaryRecord
    index: int
    line: FeatureSummary | None

    @property
    def address(self) -> str:
        """As people name it."""
        return f"{self.dictionary.slug}/{self.index}"

    @property
    def peak(self) -> float:
        """The greatest activation of its harvest, 0 where it never fired or was not harvested."""
        return 0.0 if self.line is None else self.line.peak

    @property
    def label(self) -> str | None:
        """What people say it means."""
        return None if self.line is None else self.line.label

    def for_worker(self) -> dict[str, Any]:
        """The feature as the worker's door reads it."""
        return {"dictionary": self.dictionary.hash, "feature": self.index}


@dataclass(frozen=True, slots=True)
class Change:
    """What to do with a feature. value: in units of its harvest maximum; of no meaning where it is removed."""

    feature: Chosen
    mode: Mode
    value: float = 0.0

    @property
    def amount(self) -> float:
        """The value in the dictionary's own units."""
        return 0.0 if self.mode == "remove" else self.value * self.feature.peak

    def for_worker(self) -> dict[str, Any]:
        """The change as the worker's door reads it."""
        return {**self.feature.for_worker(), "mode": self.mode, "value": self.amount}


def chosen_features(library: Library, named: Sequence[tuple[str, int]]) -> list[Chosen]:
    """The features of those dictionaries, by slug or hash, and numbers.

    Raises NotFound where there is no such dictionary or feature, LiveFailure where they are of several models.
    """
    dictionaries = {name: library.named(name) for name in dict.fromkeys(name for name, _ in named)}
    check_one_model(dictionaries.values())
    lines = {name: _lines(library, each, [i for n, i in named if n == name]) for name, each in dictionaries.items()}
    for name, index in named:
        if not 0 <= index < dictionaries[name].d_sae:
            raise FeatureNotFound(dictionaries[name], index)
    return [Chosen(dictionaries[name], index, lines[name].get(index)) for name, index in named]


def check_changes(changes: Sequence[Change]) -> None:
    """Raises where a value cannot be measured by a harvest: NotHarvested, NotInSubset, LiveFailure."""
    for change in changes:
        feature = change.feature
        if change.mode == "remove":
            continue
        harvest = feature.dictionary.harvest
        if harvest is None:
            raise NotHarvested(feature.dictionary)
        if feature.line is None:
            raise NotInSubset(feature.dictionary, feature.index, harvest)
        if feature.peak <= 0:
            raise LiveFailure(
                f"Feature {feature.address} never fired in its harvest, so there is no maximum to measure a value by.",
                status=422,
                code="never_fired",
                hint="Choose a feature that fires.",
            )


def check_one_model(dictionaries: Iterable[DictionaryRecord]) -> None:
    """Raises LiveFailure where the dictionaries are of several models."""
    models = dict.fromkeys(each.model for each in dictionaries)
    if len(models) > 1:
        raise LiveFailure(
            f"The features are of several models, {' and '.join(models)}; one text goes through one model.",
            status=422,
            code="several_models",
            hint="Choose features of dictionaries of one model.",
        )


def change_json(change: Change) -> Mapping[str, Any]:
    """A change as it was meant, and what it came to."""
    feature = change.feature
    return {
        "dictionary": feature.dictionary.slug,
        "feature": feature.index,
        "mode": change.mode,
        "value": change.value,
        "amount": change.amount,
        "harvest_peak": feature.peak,
        "label": feature.label,
    }


def _lines(library: Library, dictionary: DictionaryRecord, indices: Sequence[int]) -> dict[int, FeatureSummary]:
    harvest = dictionary.harvest
    if harvest is None:
        return {}
    wanted = sorted({index for index in indices if 0 <= index < dictionary.d_sae})
    return {line.index: line for line in library.reader.some_features(dictionary.slug, wanted, harvest.id)}
