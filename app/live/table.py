"""Features of several dictionaries on one text or two, measured and put in order. It knows no catalog and no page."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.live.fired import FiredFeatures
from app.live.state import Selection, Sort


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """What one dictionary's features are measured by, beside `features`, which ascend.

    densities: share of tokens, NaN where it is not known. peaks: greatest activation in the harvest; where that is not
    known, in these texts.
    """

    features: NDArray[np.int64]
    densities: NDArray[np.float64]
    peaks: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Of each row, in one text or what is selected of it: greatest activation, sum, and on how many tokens."""

    peaks: NDArray[np.float64]
    sums: NDArray[np.float64]
    n_tokens: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class LiveTable:
    """A row for each feature that fires on either text. read: which dictionary it is of. sides: a text each.

    surprises: of the greatest activation, NaN where it is not known or was not asked for.
    """

    read: NDArray[np.int64]
    features: NDArray[np.int64]
    densities: NDArray[np.float64]
    scales: NDArray[np.float64]
    sides: tuple[Measured, ...]
    surprises: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.features)

    @property
    def strongest(self) -> Measured:
        """The greater of both texts; where tokens are selected, only what fires on those is in the table."""
        both = self.sides
        return Measured(
            np.max([side.peaks for side in both], axis=0),
            np.max([side.sums for side in both], axis=0),
            np.max([side.n_tokens for side in both], axis=0),
        )

    def only(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> "LiveTable":
        """Some of the rows."""
        names = ("read", "features", "densities", "scales", "surprises")
        cut = tuple(Measured(each.peaks[rows], each.sums[rows], each.n_tokens[rows]) for each in self.sides)
        return LiveTable(**{name: getattr(self, name)[rows] for name in names}, sides=cut)

    def surprising(self, surprises: NDArray[np.float64]) -> "LiveTable":
        """The same with its surprises."""
        return replace(self, surprises=surprises)


def make_table(
    fired: Sequence[Sequence[FiredFeatures]], scales: Sequence[Scale], *, at: Selection | None, densest: float
) -> LiveTable:
    """The table of some dictionaries. fired: by dictionary, then by text; scales: by dictionary.

    at: only features that fire there are in it, and of that text only those tokens count. densest: features that fire
    on a greater share of tokens are left out; one whose density is not known stays.
    """
    n_texts = len(fired[0]) if fired else 1
    read = [np.full(len(each.features), number) for number, each in enumerate(scales)]
    nothing = [np.zeros(0)]
    features = np.concatenate([np.zeros(0, np.int64), *(each.features for each in scales)])
    densities = np.concatenate([*nothing, *(each.densities for each in scales)])
    sides = tuple(_side(fired, scales, text, at) for text in range(n_texts))
    table = LiveTable(
        read=np.concatenate([np.zeros(0, np.int64), *read]),
        features=features,
        densities=densities,
        scales=np.concatenate([*nothing, *(each.peaks for each in scales)]),
        sides=sides,
        surprises=np.full(len(features), np.nan),
    )
    kept = ~(densities > densest)
    if at is not None and at.text < n_texts:
        kept &= sides[at.text].n_tokens > 0
    return table.only(kept)


def in_order(table: LiveTable, sort: Sort) -> LiveTable:
    """The rows, greatest first; those of which the measure is not known come last, ties go by dictionary and number."""
    key = np.nan_to_num(measure(table, sort), nan=-np.inf)
    return table.only(np.lexsort((table.features, table.read, -key)))


def measure(table: LiveTable, sort: Sort) -> NDArray[np.float64]:
    """What the rows are ordered by. heat: peak over the harvest's; difference: of the two texts' heat."""
    strongest = table.strongest
    if sort == "difference":
        return np.abs(differences(table))
    if sort == "heat":
        return strongest.peaks / table.scales
    if sort == "surprise":
        return table.surprises
    return {"peak": strongest.peaks, "sum": strongest.sums, "tokens": strongest.n_tokens.astype(np.float64)}[sort]


def differences(table: LiveTable) -> NDArray[np.float64]:
    """Peak in the first text less that in the second, over the harvest's; of one text its heat."""
    first, *others = table.sides
    return (first.peaks - (others[0].peaks if others else 0.0)) / table.scales


def _side(
    fired: Sequence[Sequence[FiredFeatures]], scales: Sequence[Scale], text: int, at: Selection | None
) -> Measured:
    chosen = at if at is not None and at.text == text else None
    parts = [_measured(each[text], scale.features, chosen) for each, scale in zip(fired, scales, strict=True)]
    return Measured(
        np.concatenate([np.zeros(0), *(part.peaks for part in parts)]),
        np.concatenate([np.zeros(0), *(part.sums for part in parts)]),
        np.concatenate([np.zeros(0, np.int64), *(part.n_tokens for part in parts)]),
    )


def _measured(fired: FiredFeatures, features: NDArray[np.int64], at: Selection | None) -> Measured:
    """Of all `features`, among which are those that fired."""
    place = np.searchsorted(features, fired.features)
    rows = np.repeat(place, np.diff(fired.offsets))
    values = fired.activations.astype(np.float64)
    if at is not None:
        inside = (fired.positions >= at.first) & (fired.positions <= at.last)
        rows, values = rows[inside], values[inside]
    peaks = np.zeros(len(features))
    np.maximum.at(peaks, rows, values)
    n = len(features)
    sums = np.bincount(rows, values, n).astype(np.float64)
    return Measured(peaks, sums, np.bincount(rows, minlength=n))
