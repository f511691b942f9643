"""What one look at live text needs: the answer of a worker, joined with what the catalog says of what fired."""

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.library import Library
from app.live.fired import FiredFeatures, by_feature
from app.live.state import DENSITIES, LiveState, Sort
from app.live.surprise import surprises
from app.live.table import LiveTable, Scale, in_order, make_table
from catalog.live_answers import LiveAnswer, LiveFirings
from catalog.records import DictionaryRecord, FeatureSummary

WINDOW = 256
"""Tokens of a text that a page shows at once."""
UNDER = 3
"""Features shown under a token."""
Line = tuple[str, int]
"""Slug of a dictionary, number of a feature."""


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """What one dictionary makes of every text. letter: what tells it from the others. facts: what computed it."""

    dictionary: DictionaryRecord
    letter: str
    firings: tuple[LiveFirings, ...]
    fired: tuple[FiredFeatures, ...]
    facts: Mapping[str, Any]

    @property
    def cut(self) -> tuple[bytes, ...]:
        """The same for dictionaries that see the same tokens in the same contexts."""
        return tuple(array.tobytes() for found in self.firings for array in (found.token_ids, found.context_starts))


class Under(NamedTuple):
    """A feature under a token. heat: its activation over its harvest maximum."""

    read: Read
    feature: int
    activation: float
    heat: float


@dataclass(frozen=True, slots=True, eq=False)
class LiveView:
    """reads: every dictionary asked; groups: those that cut the texts alike; shown: the ones looked at.

    table: the rows listed, in their order; n_rows: how many there are in all; n_dense: features left out as too dense.
    under: for each text the strongest features of each of its tokens in the window. lines: what the harvest says of
    every feature that is named. coloured: the dictionary and number of the feature that colours the text, if any.
    """

    state: LiveState
    sort: Sort
    reads: tuple[Read, ...]
    groups: tuple[tuple[Read, ...], ...]
    shown: tuple[Read, ...]
    scales: tuple[Scale, ...]
    table: LiveTable
    n_rows: int
    n_dense: int
    under: tuple[Mapping[int, list[Under]], ...]
    lines: Mapping[Line, FeatureSummary]
    coloured: tuple[Read, int] | None


def live_view(
    library: Library, state: LiveState, dictionaries: Sequence[DictionaryRecord], answer: LiveAnswer
) -> LiveView:
    """Everything a page of that state shows. dictionaries: in the order in which they were asked."""
    reads = _reads(dictionaries, answer)
    groups = _groups(reads)
    shown = _shown(groups, state)
    scales = tuple(_scale(library, read) for read in shown)
    sort = state.sort or ("difference" if len(state.texts) > 1 else "peak" if len(shown) == 1 else "heat")
    everything = make_table([read.fired for read in shown], scales, at=state.at, densest=np.inf)
    table = make_table([read.fired for read in shown], scales, at=state.at, densest=_densest(state))
    n_rows, n_dense = len(table), len(everything) - len(table)
    if sort == "surprise":
        table = _surprising(library, shown, table)
    table = in_order(table, sort).only(np.arange(min(n_rows, state.shown)))
    if sort != "surprise":
        table = _surprising(library, shown, table)
    window = (state.begin, state.begin + WINDOW)
    under = tuple(
        _under(shown, scales, text, window=window, densest=_densest(state)) for text in range(len(state.texts))
    )
    coloured = _coloured(state, shown)
    lines = _lines(library, shown, table, under, coloured=coloured)
    return LiveView(
        state, sort, reads, groups, shown, scales, table, n_rows, n_dense, under, lines=lines, coloured=coloured
    )


def _densest(state: LiveState) -> float:
    return DENSITIES[state.dense]


def _reads(dictionaries: Sequence[DictionaryRecord], answer: LiveAnswer) -> tuple[Read, ...]:
    facts = answer.facts.get("dictionaries", {})
    reads = []
    for number, dictionary in enumerate(dictionaries):
        firings = tuple(found for found in answer.results if found.dictionary == dictionary.hash)
        fired = tuple(by_feature(found) for found in firings)
        letters = string.ascii_lowercase
        letter = "" if len(dictionaries) == 1 else letters[number % 26] * (1 + number // 26)
        reads.append(Read(dictionary, letter, firings, fired, facts.get(dictionary.hash, {})))
    return tuple(reads)


def _groups(reads: Sequence[Read]) -> tuple[tuple[Read, ...], ...]:
    alike: dict[tuple[bytes, ...], list[Read]] = {}
    for read in reads:
        alike.setdefault(read.cut, []).append(read)
    return tuple(tuple(group) for group in alike.values())


def _shown(groups: Sequence[tuple[Read, ...]], state: LiveState) -> tuple[Read, ...]:
    """Those the view names, as far as they see the same tokens; else the first group."""
    for group in groups:
        named = tuple(read for read in group if read.dictionary.slug in state.view)
        if named:
            return named
    return groups[0] if groups else ()


def _scale(library: Library, read: Read) -> Scale:
    features = np.unique(np.concatenate([np.zeros(0, np.int64), *(fired.features for fired in read.fired)]))
    peaks, densities = np.zeros(len(features)), np.full(len(features), np.nan)
    for fired in read.fired:
        place = np.searchsorted(features, fired.features)
        peaks[place] = np.maximum(peaks[place], fired.peaks)
    known = library.reader.feature_scales(read.dictionary.slug, features, _harvest_of(read))
    place = np.searchsorted(features, known.indices)
    peaks[place] = np.where(known.peaks > 0, known.peaks, peaks[place])
    densities[place] = known.tokens_fired / max(1, known.tokens)
    return Scale(features, densities, peaks)


def _harvest_of(read: Read) -> str | None:
    harvest = read.dictionary.harvest
    return None if harvest is None else harvest.id


def _surprising(library: Library, shown: Sequence[Read], table: LiveTable) -> LiveTable:
    """The table with the surprise of each row's greatest activation."""
    found, peaks = np.full(len(table), np.nan), table.strongest.peaks
    for number, read in enumerate(shown):
        mine = np.flatnonzero(table.read == number)
        harvest, features = read.dictionary.harvest, table.features[mine]
        if harvest is not None and len(mine):
            histograms = library.reader.histograms(read.dictionary.slug, features, harvest.id)
            found[mine] = surprises(peaks[mine], features, histograms, tokens=harvest.tokens)
    return table.surprising(found)


def _under(
    shown: Sequence[Read], scales: Sequence[Scale], text: int, *, window: tuple[int, int], densest: float
) -> dict[int, list[Under]]:
    """The features with the greatest heat of each token of the window, strongest first."""
    columns = [
        _in_window(read.firings[text], scale, window=window, densest=densest)
        for read, scale in zip(shown, scales, strict=True)
    ]
    numbers = np.repeat(np.arange(len(columns)), [len(each[0]) for each in columns])
    positions, features, activations, heats = (
        np.concatenate([each[place] for each in columns] or [np.zeros(0)]) for place in range(4)
    )
    order = np.lexsort((features, numbers, -heats, positions))
    ranks = np.arange(len(order)) - np.searchsorted(positions[order], positions[order])
    found: dict[int, list[Under]] = {}
    for row in order[ranks < UNDER].tolist():
        under = Under(shown[int(numbers[row])], int(features[row]), float(activations[row]), float(heats[row]))
        found.setdefault(int(positions[row]), []).append(under)
    return found


def _in_window(
    found: LiveFirings, scale: Scale, *, window: tuple[int, int], densest: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Positions, features, activations and heats of what fires there and is not too dense."""
    first, last = np.searchsorted(found.positions, window)
    features = found.features[first:last].astype(np.int64)
    place = np.searchsorted(scale.features, features)
    kept = ~(scale.densities[place] > densest)
    activations = found.activations[first:last].astype(np.float64)[kept]
    positions = found.positions[first:last].astype(np.int64)[kept]
    return positions, features[kept], activations, activations / scale.peaks[place][kept]


def _coloured(state: LiveState, shown: Sequence[Read]) -> tuple[Read, int] | None:
    """The feature that the state names, where its dictionary is shown and has it."""
    slug, _, number = state.feature.rpartition("/")
    for read in shown:
        if read.dictionary.slug == slug and number.isdecimal() and int(number[:12]) < read.dictionary.d_sae:
            return read, int(number)
    return None


def _lines(
    library: Library,
    shown: Sequence[Read],
    table: LiveTable,
    under: Sequence[Mapping[int, list[Under]]],
    *,
    coloured: tuple[Read, int] | None,
) -> dict[Line, FeatureSummary]:
    wanted: dict[str, set[int]] = {read.dictionary.slug: set() for read in shown}
    for number, feature in zip(table.read.tolist(), table.features.tolist(), strict=True):
        wanted[shown[number].dictionary.slug].add(feature)
    for found in (each for text in under for each in text.values()):
        for each in found:
            wanted[each.read.dictionary.slug].add(each.feature)
    if coloured is not None:
        wanted[coloured[0].dictionary.slug].add(coloured[1])
    return {
        (read.dictionary.slug, line.index): line
        for read in shown
        for line in library.reader.some_features(
            read.dictionary.slug, sorted(wanted[read.dictionary.slug]), _harvest_of(read)
        )
    }
