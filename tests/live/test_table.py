"""The measures and orders of live features, against loops over the whole matrix of activations."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.live.fired import by_feature
from app.live.kept import KeptAnswers
from app.live.state import SORTS, Selection
from app.live.surprise import surprises
from app.live.table import Scale, differences, in_order, make_table, measure
from catalog.grid import bin_edges, bin_of
from catalog.live_answers import LiveAnswer, LiveFirings

N_TOKENS, D_SAE = 9, 7


def firings(acts: np.ndarray, text: int = 0, dictionary: str = "h") -> LiveFirings:
    """The firings of a matrix (token, feature), as a worker sends them."""
    positions, features = np.nonzero(acts)
    none = np.zeros(0, np.float32)
    return LiveFirings(
        text=text,
        dictionary=dictionary,
        token_ids=np.arange(len(acts), dtype=np.int32),
        context_starts=np.zeros(1, np.int32),
        positions=positions.astype(np.int32),
        features=features.astype(np.int32),
        activations=acts[positions, features].astype(np.float32),
        pre_acts=none,
        bars=none,
    )


def matrices(draw: np.random.Generator, n: int) -> list[np.ndarray]:
    return [draw.random((N_TOKENS, D_SAE)) * (draw.random((N_TOKENS, D_SAE)) < 0.3) for _ in range(n)]


def scale_of(mine: list[np.ndarray], densities: np.ndarray, peaks: np.ndarray) -> Scale:
    fired = np.flatnonzero(sum((acts > 0).sum(axis=0) for acts in mine))
    return Scale(fired.astype(np.int64), densities[fired], peaks[fired])


def test_firings_are_sorted_by_feature():
    (acts,) = matrices(np.random.default_rng(0), 1)
    fired = by_feature(firings(acts))
    for row, feature in enumerate(fired.features.tolist()):
        here = fired.firings(row)
        assert fired.positions[here].tolist() == np.flatnonzero(acts[:, feature]).tolist()
        assert fired.peaks[row] == pytest.approx(acts[:, feature].max())
        assert fired.sums[row] == pytest.approx(acts[:, feature].sum(), rel=1e-6)
        assert fired.row(feature) == row
    assert fired.row(10**6) is None
    nothing = by_feature(firings(np.zeros((3, D_SAE))))
    assert len(nothing.features) == len(nothing.peaks) == len(nothing.sums) == 0
    assert nothing.row(0) is None


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(SORTS), st.booleans(), st.booleans())
def test_every_order_is_that_of_a_loop(seed: int, sort: str, has_two: bool, is_selected: bool):
    draw = np.random.default_rng(seed)
    texts = 2 if has_two else 1
    dictionaries = [matrices(draw, texts), matrices(draw, texts)]
    densities, peaks = draw.random(D_SAE), draw.random(D_SAE) + 0.1
    at = Selection(0, 2, 5) if is_selected else None
    scales = [scale_of(mine, densities, peaks) for mine in dictionaries]
    fired = [[by_feature(firings(acts)) for acts in mine] for mine in dictionaries]
    table = make_table(fired, scales, at=at, densest=0.8)
    table = in_order(table.surprising(-table.features.astype(float)), sort)

    expected = []
    for number, mine in enumerate(dictionaries):
        for feature in range(D_SAE):
            columns = [acts[:, feature].astype(np.float32).astype(float) for acts in mine]
            whole = sum(column.sum() for column in columns)
            if at is not None:
                columns[0] = columns[0][at.first : at.last + 1]
                whole = columns[0].sum()
            if whole == 0 or densities[feature] > 0.8:
                continue
            peak = max(column.max() for column in columns)
            second = columns[1].max() if has_two else 0.0
            key = {
                "peak": peak,
                "heat": peak / peaks[feature],
                "sum": max(column.sum() for column in columns),
                "tokens": max((column > 0).sum() for column in columns),
                "surprise": -feature,
                "difference": abs(columns[0].max() - second) / peaks[feature],
            }[sort]
            expected.append((-key, number, feature))
    expected.sort()
    assert list(zip(table.read.tolist(), table.features.tolist(), strict=True)) == [row[1:] for row in expected]
    assert measure(table, sort) == pytest.approx([-row[0] for row in expected])
    if has_two:
        signs = np.sign(table.sides[0].peaks - table.sides[1].peaks)
        assert np.sign(differences(table)).tolist() == signs.tolist()


def test_a_density_that_is_not_known_is_never_too_dense():
    acts = np.ones((2, 1))
    scale = Scale(np.array([0]), np.array([np.nan]), np.array([1.0]))
    assert len(make_table([[by_feature(firings(acts))]], [scale], at=None, densest=0.0)) == 1


def test_surprise_is_that_of_the_counted_share():
    draw = np.random.default_rng(1)
    corpus = draw.lognormal(0, 1, 5_000).astype(np.float32)
    bins, counts = np.unique(bin_of(corpus), return_counts=True)
    asked = np.array([corpus.min() / 4, 0.5, 1.0, corpus.max(), corpus.max() * 100], dtype=np.float32)
    found = surprises(asked, np.full(len(asked), 3), {3: (bins, counts)}, tokens=20_000)
    edges = bin_edges()
    for value, surprise in zip(asked.tolist(), found.tolist(), strict=True):
        least = edges[np.searchsorted(edges, value, side="right") - 1]
        at_least = max(1, int((corpus >= least).sum()))
        assert surprise == pytest.approx(-math.log10(at_least / 20_000))
    assert np.isnan(surprises(asked, np.full(len(asked), 4), {3: (bins, counts)}, tokens=20_000)).all()


def test_answers_are_kept_until_there_is_no_room():
    answers = [LiveAnswer((firings(np.ones((N_TOKENS, D_SAE))),), {}) for _ in range(3)]
    kept = KeptAnswers(most_bytes=2 * 2500)
    for number, answer in enumerate(answers[:2]):
        kept.keep({"texts": [number]}, answer)
    assert kept.get({"texts": [0]}) is answers[0]
    kept.keep({"texts": [2]}, answers[2])
    assert [kept.get({"texts": [number]}) for number in range(3)] == [answers[0], None, answers[2]]
    KeptAnswers(most_bytes=10).keep({}, answers[0])
    assert KeptAnswers(most_bytes=10).get({}) is None
