"""Charts as numbers in a small coordinate system; templates draw them as SVG. It knows no HTML.

Every chart is 100 units high for its bars; widths are fixed so that text keeps its size.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.pages.numbers import count, significant
from catalog.grid import bin_edges

Scale = Literal["linear", "log"]
CHART_WIDTH = 320
CHART_HEIGHT = 96
LINEAR_SLICES = 24
LOG_BARS = 40
MOST_BARS = 64
"""More are so narrow that the gaps between them would not be seen."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled place on an axis, in chart units. anchor: start, middle or end."""

    at: float
    text: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class BarChart:
    """Bars as one SVG path, with the ticks of both axes. zero: where x is 0, when it lies inside."""

    path: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    zero: float | None = None
    width: int = CHART_WIDTH
    height: int = CHART_HEIGHT


def activation_chart(bins: NDArray[np.int64], counts: NDArray[np.int64], *, x: Scale, y: Scale) -> BarChart | None:
    """Histogram of firing activations from the sparse bins of the common grid; None when it is empty.

    Bins of the grid are narrower than a bar for the most part; one that straddles two bars is shared
    between them in proportion.
    """
    if len(bins) == 0:
        return None
    edges = bin_edges()
    lows, highs = edges[bins], edges[bins + 1]
    bar_edges = _bar_edges(float(lows[0]), float(highs[-1]), x)
    heights = _rebin(lows, highs, counts, bar_edges)
    places = bar_edges if x == "linear" else np.log(bar_edges)
    return BarChart(
        path=_bars(places, heights, y),
        x_ticks=_value_ticks(float(bar_edges[0]), float(bar_edges[-1]), x),
        y_ticks=_count_ticks(float(heights.max()), y),
    )


def even_chart(low: float, high: float, counts: Sequence[int] | NDArray[np.int64], *, y: Scale) -> BarChart:
    """Histogram in equal bins from low to high, with ticks at both ends and at zero."""
    heights = np.asarray(counts, dtype=np.float64)
    places = np.linspace(low, high, len(heights) + 1)
    zero = CHART_WIDTH * -low / (high - low) if low < 0 < high else None
    ticks = [Tick(0, significant(low), "start"), Tick(CHART_WIDTH, significant(high), "end")]
    if zero is not None and 40 < zero < CHART_WIDTH - 40:
        ticks.insert(1, Tick(round(zero, 1), "0"))
    top = float(heights.max(initial=1))
    return BarChart(_bars(places, heights, y), tuple(ticks), _count_ticks(top, y), zero)


def density_chart(edges: Sequence[float], counts: Sequence[int]) -> BarChart:
    """Features by log10 density, from the power of ten below the rarest; edges are one more than counts."""
    rarest = next((place for place, count in enumerate(counts) if count), 0)
    first = next(place for place, edge in enumerate(edges) if edge >= math.floor(edges[rarest]))
    edges, counts = edges[first:], counts[first:]
    heights = np.asarray(counts, dtype=np.float64)
    low, high = edges[0], edges[-1]
    whole = [exponent for exponent in range(math.ceil(low), math.floor(high) + 1)]
    step = max(1, math.ceil(len(whole) / 6))
    ticks = tuple(
        Tick(round(CHART_WIDTH * (exponent - low) / (high - low), 1), _power(exponent), _anchor(exponent, low, high))
        for exponent in whole[(len(whole) - 1) % step :: step]
    )
    top = float(heights.max(initial=1))
    return BarChart(_bars(np.asarray(edges), heights, "linear"), ticks, _count_ticks(top, "linear"))


def position_chart(values: NDArray[np.number], labels: tuple[str, str], *, show: Callable[[float], str]) -> BarChart:
    """A profile over positions: one bar a bucket, from the first position to the last; `show` prints its top."""
    heights = np.asarray(values, dtype=np.float64)
    places = np.arange(len(heights) + 1)
    top = float(heights.max(initial=0.0))
    y_ticks = (Tick(0, "", "end"), Tick(CHART_HEIGHT, show(top), "end"))
    ticks = (Tick(0, labels[0], "start"), Tick(CHART_WIDTH, labels[1], "end"))
    return BarChart(_bars(places, heights, "linear"), ticks, y_ticks)


def sparkline(values: bytes, *, width: int = 96, height: int = 20) -> str:
    """The small histogram of a list's line as an SVG path; empty when there is nothing to draw.

    A stroke a bar, as wide as the style sheet says, in whole units: a page of the list has fifty of these.
    """
    step = width / max(len(values), 1)
    bars = (
        f"M{(i + 0.5) * step:.4g} {height}V{height - max(1, round(value / 255 * height))}"
        for i, value in enumerate(values)
        if value
    )
    return "".join(bars)


def _bar_edges(low: float, high: float, scale: Scale) -> NDArray[np.float64]:
    if scale == "linear":
        return np.linspace(0.0, high, LINEAR_SLICES + 1)
    bars = min(LOG_BARS, max(1, round(math.log2(high / low) * 16)))
    return np.geomspace(low, high, bars + 1)


def _rebin(
    lows: NDArray[np.float64], highs: NDArray[np.float64], counts: NDArray[np.int64], edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Counts of the bars between edges, each source bin spread evenly over its own width."""
    overlap = np.minimum(highs[:, None], edges[None, 1:]) - np.maximum(lows[:, None], edges[None, :-1])
    part = np.clip(overlap, 0, None) / (highs - lows)[:, None]
    return (part * counts[:, None]).sum(axis=0)


def _bars(places: NDArray[np.number], heights: NDArray[np.float64], y: Scale) -> str:
    """Bars side by side, a hair apart, standing on the bottom of the chart."""
    top = float(heights.max(initial=0.0))
    if top <= 0:
        return ""
    if len(heights) > MOST_BARS:
        return _outline(places, np.where(heights > 0, _heights(heights, top, y), 0.0))
    starts = _bar_starts(tuple(((places - places[0]) / (places[-1] - places[0])).tolist()))
    columns = zip(starts, heights.tolist(), _heights(heights, top, y).tolist(), strict=True)
    return "".join([f"{start}{height:.3g}{end}" for (start, end), value, height in columns if value > 0])


def _outline(places: NDArray[np.number], tall: NDArray[np.float64]) -> str:
    """The outline of bars without gaps, in whole units of height: half as long as a path of that many bars."""
    ends = ((places[1:] - places[0]) / (places[-1] - places[0]) * CHART_WIDTH).tolist()
    tops = np.round(CHART_HEIGHT - tall).astype(int).tolist()
    steps = "".join([f"V{top}H{end:.4g}" for top, end in zip(tops, ends, strict=True)])
    return f"M0 {CHART_HEIGHT}{steps}V{CHART_HEIGHT}z"


@lru_cache(maxsize=256)
def _bar_starts(places: tuple[float, ...]) -> list[tuple[str, str]]:
    """What comes before and after the height of each bar in a path; places run from 0 to 1. Most share theirs."""
    x = [place * CHART_WIDTH for place in places]
    return [
        (f"M{left:.4g} {CHART_HEIGHT}v-", f"h{max(0.6, right - left - 0.7):.3g}V{CHART_HEIGHT}z")
        for left, right in pairwise(x)
    ]


def _heights(values: NDArray[np.float64], top: float, y: Scale) -> NDArray[np.float64]:
    """Heights of bars that are not empty; on a log axis a single count stands one tenth of the way up."""
    if y == "linear":
        return np.maximum(0.8, values * (CHART_HEIGHT / top))
    scale = CHART_HEIGHT / math.log(max(top, 1.0) / 0.5)
    return np.maximum(1.5, np.log(np.maximum(values, 0.5) / 0.5) * scale)


def _log_place(value: float, top: float) -> float:
    """Where a count stands on a log axis that begins at one half."""
    return math.log(value / 0.5) / math.log(max(top, 1.0) / 0.5) * CHART_HEIGHT


def _count_ticks(top: float, y: Scale) -> tuple[Tick, ...]:
    if y == "linear" or top < 2:
        return (Tick(CHART_HEIGHT, count(round(top)), "end"),)
    exponents = range(math.floor(math.log10(top)) + 1)
    step = max(1, math.ceil(len(exponents) / 4))
    return tuple(Tick(round(_log_place(10.0**e, top), 1), count(10**e), "end") for e in exponents[::step])


def _value_ticks(low: float, high: float, x: Scale) -> tuple[Tick, ...]:
    middle = (low + high) / 2 if x == "linear" else math.sqrt(low * high)
    return (
        Tick(0, significant(low), "start"),
        Tick(CHART_WIDTH / 2, significant(middle)),
        Tick(CHART_WIDTH, significant(high), "end"),
    )


def _power(exponent: int) -> str:
    """A density in words a reader knows: 10⁻³ as 1/1k."""
    if exponent == 0:
        return "all"
    size, unit = divmod(-exponent, 3)
    return f"1/{10**unit}{('', 'k', 'M', 'G')[min(size, 3)]}"


def _anchor(exponent: int, low: float, high: float) -> str:
    if exponent - low < 0.2:
        return "start"
    return "end" if high - exponent < 0.2 else "middle"
