"""The measured points as a table for the documentation."""

from collections.abc import Mapping
from typing import Any

from benchmarks.growth.points import POINTS, SERIES

HEAD = (
    "| | shards over ceiling | with merge and write | ceiling, µs a token | harvest, µs a token | merge, s | write, s "
    "| peak memory |"
)


def table_of(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown, series after series; points that were not measured are left out."""
    lines = [HEAD, "|---" * (HEAD.count("|") - 1) + "|"]
    for series, (title, same) in SERIES.items():
        points = [point for point in POINTS if point.series == series and point.name in found]
        lines += [f"| **{title}**, {same} {'| ' * 7}|"] if points else []
        lines += [_row(f"{point.x:,}" if point.x else point.name, found[point.name]) for point in points]
    return "\n".join(lines)


def _row(label: str, figures: Mapping[str, Any]) -> str:
    cells = (
        label,
        f"{figures['shards_ratio']:.2f}",
        f"{figures['ratio']:.2f}",
        f"{figures['ceiling_us_per_token']:,.0f}",
        f"{figures['harvest_us_per_token']:,.0f}",
        f"{figures['merge_seconds']:.1f}",
        f"{figures['write_seconds']:.1f}",
        f"{figures['peak_mb'] / 1024:.1f} GB",
    )
    return f"| {' | '.join(cells)} |"
