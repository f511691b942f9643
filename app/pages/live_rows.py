"""The ranked list of live features: a line each, with its activation along the text as a small chart."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.live.state import Sort
from app.live.table import differences
from app.live.view import LiveView, Read
from app.pages.contexts import level_of
from app.pages.numbers import count, share, signed, significant
from app.pages.tokens import TokenChip, TokenText

SPARK_WIDTH, SPARK_HEIGHT = 120, 20
SPARK_BARS = 60
COLUMNS: tuple[tuple[Sort, str, str], ...] = (
    ("peak", "Peak", "greatest activation, in the dictionary's own units"),
    ("heat", "Heat", "peak as a share of the feature's greatest activation in its harvest"),
    ("sum", "Sum", "sum of its activations"),
    ("tokens", "Tokens", "on how many tokens it fires"),
    ("surprise", "Surprise", "minus log10 of the share of corpus tokens with at least this peak"),
)
DIFFERENCE: tuple[Sort, str, str] = ("difference", "Difference", "heat in the first text less heat in the second")


class Spark(NamedTuple):
    """Activation along a text. path: bars in a field of SPARK_WIDTH by SPARK_HEIGHT; at, wide: what is selected."""

    path: str
    at: float
    wide: float
    words: str


class LiveColumn(NamedTuple):
    """A measure the list can be sorted by. value: what its button sends."""

    value: str
    name: str
    note: str
    is_sorted: bool


class SideCells(NamedTuple):
    """What one text adds to a line."""

    spark: Spark
    peak: str
    level: int


@dataclass(frozen=True, slots=True)
class LiveRow:
    """One feature. value: what a button sends to colour the text by it."""

    value: str
    dictionary: str
    dictionary_name: str
    letter: str
    index: int
    label: str | None
    top_token: TokenChip | None
    promoted: tuple[TokenChip, ...]
    sides: tuple[SideCells, ...]
    peak: str
    heat: str
    level: int
    total: str
    n_tokens: str
    surprise: str
    density: str
    difference: str
    is_coloured: bool


def columns(view: LiveView) -> tuple[LiveColumn, ...]:
    """The measures, that of two texts' difference first where there are two."""
    known = (DIFFERENCE, *COLUMNS) if len(view.state.texts) > 1 else COLUMNS
    return tuple(LiveColumn(value, name, note, value == view.sort) for value, name, note in known)


def rows(view: LiveView, tokens: TokenText) -> tuple[LiveRow, ...]:
    """A line for each row of the table."""
    gaps = differences(view.table)
    return tuple(_row(view, row, float(gaps[row]), tokens) for row in range(len(view.table)))


def _row(view: LiveView, row: int, gap: float, tokens: TokenText) -> LiveRow:
    table, strongest = view.table, view.table.strongest
    read, feature = view.shown[int(table.read[row])], int(table.features[row])
    line = view.lines.get((read.dictionary.slug, feature))
    peak, scale = float(strongest.peaks[row]), float(table.scales[row])
    return LiveRow(
        value=f"{read.dictionary.slug}/{feature}",
        dictionary=read.dictionary.slug,
        dictionary_name=read.dictionary.name,
        letter=read.letter,
        index=feature,
        label=None if line is None else line.label,
        top_token=None if line is None or line.top_token is None else tokens.chip(line.top_token),
        promoted=() if line is None else tuple(tokens.chip(i) for i in line.promoted[:3]),
        sides=tuple(_cells(view, read, row, side) for side in range(len(table.sides))),
        peak=significant(peak),
        heat=share(peak / scale) if line is not None and line.peak > 0 else "–",
        level=level_of(peak, scale),
        total=significant(float(strongest.sums[row])),
        n_tokens=count(int(strongest.n_tokens[row])),
        surprise=_surprise(float(table.surprises[row]), line is not None and peak > line.peak),
        density="–" if np.isnan(table.densities[row]) else share(float(table.densities[row])),
        difference=signed(gap * 100) + " %" if len(table.sides) > 1 else "",
        is_coloured=view.coloured == (read, feature),
    )


def _surprise(value: float, is_beyond: bool) -> str:
    """is_beyond: stronger than anything the harvest saw, so that there is only a bound."""
    if np.isnan(value):
        return "–"
    return f"{'≥ ' if is_beyond else ''}{value:.2f}"


def _cells(view: LiveView, read: Read, row: int, side: int) -> SideCells:
    table, fired = view.table, read.fired[side]
    at = fired.row(int(table.features[row]))
    here = slice(0, 0) if at is None else fired.firings(at)
    n_tokens = len(read.firings[side].token_ids)
    scale, peak = float(table.scales[row]), float(table.sides[side].peaks[row])
    spark = _spark(fired.positions[here], fired.activations[here], n_tokens, scale=scale)
    chosen = view.state.at
    if chosen is not None and chosen.text == side and n_tokens:
        last = min(chosen.last, n_tokens - 1)
        wide = max(2.0, (last - chosen.first + 1) * SPARK_WIDTH / n_tokens)
        spark = spark._replace(at=round(chosen.first * SPARK_WIDTH / n_tokens, 1), wide=round(wide, 1))
    return SideCells(spark, significant(peak), level_of(peak, scale))


def _spark(positions: NDArray[np.int64], activations: NDArray[np.float32], n_tokens: int, *, scale: float) -> Spark:
    """Bars from the first token to the last, each the greatest of its tokens, over the feature's greatest anywhere."""
    if not len(positions):
        return Spark("", 0.0, 0.0, "silent")
    n_bars = min(SPARK_BARS, n_tokens)
    heights = np.zeros(n_bars)
    np.maximum.at(heights, positions * n_bars // n_tokens, activations.astype(np.float64))
    step = SPARK_WIDTH / n_bars
    wide = max(1.0, min(8.0, step - 0.5))
    tall = np.clip(heights / scale, 0.0, 1.0) * SPARK_HEIGHT
    bars = [
        f"M{place * step:.4g} {SPARK_HEIGHT}v-{max(1.5, height):.3g}h{wide:.3g}V{SPARK_HEIGHT}z"
        for place, height in enumerate(tall.tolist())
        if height > 0
    ]
    words = (
        f"fires on {count(len(positions))} of {count(n_tokens)} tokens, most on token {positions[activations.argmax()]}"
    )
    return Spark("".join(bars), 0.0, 0.0, words)
