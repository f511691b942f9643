"""Charts: nothing is lost between the stored bins and the bars."""

import re

import numpy as np
import pytest

from app.pages import charts
from catalog.grid import bin_edges, bin_of


def bars(path: str) -> list[tuple[float, float]]:
    """Left edge and height of each bar of a path."""
    return [(float(left), float(tall)) for left, tall in re.findall(r"M([\d.e+-]+) [\d.]+v-([\d.e+-]+)", path)]


def test_a_feature_that_never_fired_has_no_chart():
    nothing = np.zeros(0, dtype=np.int64)
    assert charts.activation_chart(nothing, nothing, x="linear", y="log") is None


def test_linear_bars_share_out_every_count():
    values = np.random.default_rng(0).lognormal(size=5000)
    bins, counts = np.unique(bin_of(values), return_counts=True)
    edges = bin_edges()
    shared = charts._rebin(edges[bins], edges[bins + 1], counts, np.linspace(0, edges[bins[-1] + 1], 25))
    assert shared.sum() == pytest.approx(5000)


def test_one_bin_on_a_log_scale_is_one_bar_as_high_as_the_chart():
    chart = charts.activation_chart(np.array([400]), np.array([7]), x="log", y="linear")
    assert chart is not None
    assert bars(chart.path) == [(0.0, charts.CHART_HEIGHT)]


def test_a_single_count_on_a_log_axis_still_stands_up():
    chart = charts.even_chart(0.0, 2.0, [1, 1000], y="log")
    low, high = (tall for _, tall in bars(chart.path))
    assert high == pytest.approx(charts.CHART_HEIGHT)
    assert low == pytest.approx(charts.CHART_HEIGHT * np.log(2) / np.log(2000), rel=0.01)


def test_empty_bars_are_not_drawn():
    assert len(bars(charts.even_chart(0.0, 3.0, [1, 0, 2], y="linear").path)) == 2


def test_the_place_of_zero_is_known_when_it_lies_inside():
    assert charts.even_chart(-1.0, 3.0, [1], y="linear").zero == pytest.approx(charts.CHART_WIDTH / 4)
    assert charts.even_chart(1.0, 3.0, [1], y="linear").zero is None


def test_log_counts_are_marked_at_powers_of_ten():
    ticks = charts.even_chart(0.0, 1.0, [5, 250], y="log").y_ticks
    assert [tick.text for tick in ticks] == ["1", "10", "100"]


def test_densities_are_named_in_words():
    chart = charts.density_chart([-6.0, -5, -4, -3, -2, -1, 0], [0, 0, 1, 2, 3, 0])
    assert [tick.text for tick in chart.x_ticks] == ["1/10k", "1/1k", "1/100", "1/10", "all"]


def test_a_sparkline_of_nothing_draws_nothing():
    assert charts.sparkline(bytes(24)) == ""
    assert charts.sparkline(bytes([0, 255])).count("M") == 1


def test_a_sparkline_has_a_stroke_for_each_slice_that_is_not_empty():
    assert charts.sparkline(bytes([0, 255, 1]), width=12, height=20) == "M6 20V0M10 20V19"


def test_many_bars_are_one_outline_with_a_step_for_each():
    values = np.array([0, 1, 4, 2] * 25)
    path = charts.position_chart(values, ("1", "100"), show=str).path
    tops, ends = zip(*re.findall(r"V(\d+)H([\d.]+)", path), strict=True)
    assert [charts.CHART_HEIGHT - int(top) for top in tops] == [0, 24, 96, 48] * 25
    assert [float(end) for end in ends] == pytest.approx([charts.CHART_WIDTH / 100 * (i + 1) for i in range(100)])
    assert path.startswith("M0 96V") and path.endswith("V96z")
