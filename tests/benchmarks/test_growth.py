"""The table and the plot of `benchmarks.growth`: every measured point is in both, and none that was not."""

import xml.etree.ElementTree as ET

import pytest

from benchmarks.growth.plot import LINES, SHOWN, svg_of
from benchmarks.growth.points import POINTS, SERIES
from benchmarks.growth.table import table_of

SVG = "{http://www.w3.org/2000/svg}"


def figures(scale: float) -> dict:
    return {
        "ceiling_us_per_token": 200.0 * scale,
        "harvest_us_per_token": 300.0 * scale,
        "shards_ratio": 1.1,
        "ratio": 1.5,
        "merge_seconds": 1.0,
        "write_seconds": 2.0,
        "peak_mb": 1536,
    }


def test_names_of_points_are_their_own_and_every_series_has_a_title():
    assert len({point.name for point in POINTS}) == len(POINTS)
    assert {point.series for point in POINTS} == set(SERIES)


def test_the_table_has_a_line_for_each_measured_point():
    lines = table_of({"tokens-65536": figures(1), "topk": figures(2)}).splitlines()
    assert [line.count("|") for line in lines] == [9] * 6
    assert lines[3] == "| 65,536 | 1.10 | 1.50 | 200 | 300 | 1.0 | 2.0 | 1.5 GB |"
    assert lines[5].startswith("| topk | 1.10 |")


def test_the_plot_has_a_mark_for_each_measured_point_and_line():
    measured = [point for point in POINTS if point.series in SHOWN][:-1]
    root = ET.fromstring(svg_of({point.name: figures(2**place) for place, point in enumerate(measured)}))
    assert len(root.findall(f"{SVG}circle")) == len(measured) * len(LINES)
    heights = [float(mark.get("cy", "nan")) for mark in root.findall(f"{SVG}circle[@class='ceiling']")]
    assert heights == sorted(heights, reverse=True)


def test_a_plot_of_nothing_is_refused():
    with pytest.raises(SystemExit, match="has been measured"):
        svg_of({"topk": figures(1)})
