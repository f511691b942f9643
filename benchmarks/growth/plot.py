"""The measured points as a plot: seconds a token of the harvest and of its ceiling, over what grows. Plain SVG."""

from collections.abc import Mapping, Sequence
from math import log2
from typing import Any

from benchmarks.growth.points import POINTS, SERIES, Point

WIDTH, HEIGHT, TOP, LEFT, GAP = 300, 240, 54, 52, 70
SHOWN = ("tokens", "features", "dictionaries")
# Each line: the key of the figure, its name, its class.
LINES = (
    ("ceiling_us_per_token", "ceiling", "ceiling"),
    ("shards", "harvest, shards alone", "shards"),
    ("harvest_us_per_token", "harvest, with merge and write", "harvest"),
)
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #444 } .title { font-weight: 600; fill: #222 }
.axis { stroke: #999; fill: none } .grid { stroke: #ddd }
polyline { fill: none; stroke-width: 2 } circle { stroke: none }
.ceiling { stroke: #888; fill: #888 } .shards { stroke: #2b7bba; fill: #2b7bba }
.harvest { stroke: #d1603d; fill: #d1603d }
polyline.ceiling, polyline.shards, polyline.harvest { fill: none }
@media (prefers-color-scheme: dark) { text { fill: #bbb } .title { fill: #eee } .grid { stroke: #444 } }
"""


def svg_of(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Panels side by side, both axes logarithmic and the vertical one shared."""
    panels = {series: [p for p in POINTS if p.series == series and p.name in found] for series in SHOWN}
    values = [_value(found[p.name], key) for points in panels.values() for p in points for key, *_ in LINES]
    if not values:
        raise SystemExit("None of the points of the plot has been measured yet.")
    bounds = _powers(min(values), max(values))
    width, height = LEFT + len(SHOWN) * (WIDTH + GAP), TOP + HEIGHT + 84
    drawn = [
        _panel(series, points, found, x=LEFT + number * (WIDTH + GAP), bounds=bounds)
        for number, (series, points) in enumerate(panels.items())
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
    title = "<title>Microseconds a token of a harvest and of its ceiling</title>"
    return "\n".join([head, title, f"<style>{STYLE}</style>", *drawn, _legend(height), "</svg>", ""])


def _panel(
    series: str,
    points: Sequence[Point],
    found: Mapping[str, Mapping[str, Any]],
    *,
    x: int,
    bounds: tuple[int, int],
) -> str:
    title, same = SERIES[series]
    parts = [
        f'<text class="title" x="{x}" y="18">µs a token, by {title}</text>',
        f'<text x="{x}" y="36">{same}</text>',
        *_grid(x, bounds),
    ]
    for place, point in enumerate(points):
        at = f'x="{_across(x, place, len(points))}" y="{TOP + HEIGHT + 18}"'
        parts.append(f'<text {at} text-anchor="middle">{point.x:,}</text>')
    for key, _, kind in LINES:
        spots = [
            (_across(x, place, len(points)), _up(_value(found[point.name], key), bounds))
            for place, point in enumerate(points)
        ]
        parts.append(f'<polyline class="{kind}" points="{" ".join(f"{a},{b}" for a, b in spots)}"/>')
        parts += [f'<circle class="{kind}" cx="{a}" cy="{b}" r="3.5"/>' for a, b in spots]
    return "\n".join(parts)


def _grid(x: int, bounds: tuple[int, int]) -> list[str]:
    lines = []
    for power in range(bounds[0], bounds[1] + 1):
        y = _up(2.0**power, bounds)
        lines.append(f'<line class="grid" x1="{x}" x2="{x + WIDTH}" y1="{y}" y2="{y}"/>')
        lines.append(f'<text x="{x - 6}" y="{y + 4}" text-anchor="end">{2**power:,}</text>')
    return [*lines, f'<path class="axis" d="M{x} {TOP}V{TOP + HEIGHT}H{x + WIDTH}"/>']


def _legend(height: int) -> str:
    parts = []
    for number, (_, name, kind) in enumerate(LINES):
        x, y = LEFT + 240 * number, height - 22
        parts.append(f'<line class="{kind}" stroke-width="2" x1="{x}" x2="{x + 24}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{x + 32}" y="{y + 4}">{name}</text>')
    return "\n".join(parts)


def _value(figures: Mapping[str, Any], key: str) -> float:
    if key == "shards":
        return figures["shards_ratio"] * figures["ceiling_us_per_token"]
    return figures[key]


def _powers(low: float, high: float) -> tuple[int, int]:
    """Powers of two around all values."""
    return int(log2(low) // 1), int(-(-log2(high) // 1))


def _across(x: int, place: int, n: int) -> float:
    return round(x + WIDTH * (place + 0.5) / n, 1)


def _up(value: float, bounds: tuple[int, int]) -> float:
    share = (log2(value) - bounds[0]) / max(1, bounds[1] - bounds[0])
    return round(TOP + HEIGHT * (1 - share), 1)
