"""Contexts as lines: the window around the peak, the heat, the folding."""

import numpy as np
import pytest

from app.pages.contexts import ContextLines, level_of
from app.pages.tokens import TokenText
from catalog.records import ContextRecord, ContextSet
from catalog.tokens import Vocabulary

WORDS = [f" w{i}".encode() for i in range(100)]
TOKENS = TokenText(Vocabulary.of("h", [b"<bos>", *WORDS], frozenset({0})))


def context(ids: list[int], number: int = 0) -> ContextRecord:
    return ContextRecord(number, f"doc-{number}", number, 0, np.array(ids, dtype=np.int64))


def firing(rows: list[dict[int, float]]) -> ContextSet:
    return ContextSet(
        context_ids=np.arange(len(rows)),
        peaks=np.array([max(row.values()) for row in rows], dtype=np.float32),
        offsets=np.cumsum([0, *(len(row) for row in rows)]),
        positions=np.array([position for row in rows for position in row]),
        activations=np.array([value for row in rows for value in row.values()], dtype=np.float32),
    )


def lines(contexts: list[ContextRecord], rows: list[dict[int, float]], maximum: float = 10.0) -> ContextLines:
    del rows
    return ContextLines({each.id: each for each in contexts}, TOKENS, maximum)


@pytest.mark.parametrize(
    ("activation", "level"), [(0, 0), (-1, 0), (0.001, 1), (1, 1), (1.01, 2), (5, 5), (9.99, 10), (10, 10), (11, 10)]
)
def test_any_firing_is_at_least_level_one_and_the_maximum_is_ten(activation: float, level: int):
    assert level_of(activation, 10.0) == level


def test_a_line_holds_24_tokens_before_the_peak_and_8_after():
    rows = [{50: 4.0}]
    line = lines([context(list(range(1, 101)))], rows).lines(firing(rows))[0]
    before = "".join(segment.text for segment in line.before).split()
    after = "".join(segment.text for segment in line.from_peak).split()
    assert before == [f"w{i}" for i in range(26, 50)]
    assert after == [f"w{i}" for i in range(50, 59)]


def test_a_peak_at_the_edge_of_its_context_shows_what_there_is():
    rows = [{1: 4.0}]
    line = lines([context([0, 5, 6])], rows).lines(firing(rows))[0]
    assert [segment.special for segment in line.before] == [True]
    assert "".join(segment.text for segment in line.from_peak) == " w4 w5"


def test_silent_tokens_are_joined_and_firing_ones_stand_alone():
    rows = [{3: 2.0, 5: 10.0}]
    line = lines([context(list(range(1, 9)))], rows).lines(firing(rows))[0]
    assert [(segment.text, segment.level) for segment in line.before] == [(" w0 w1 w2", 0), (" w3", 2), (" w4", 0)]
    assert line.from_peak[0].tip == "10.0 · id 6 · position 5"


def test_the_first_of_two_equal_peaks_is_the_one_shown():
    rows = [{3: 2.0, 5: 2.0}]
    assert lines([context(list(range(1, 9)))], rows).lines(firing(rows))[0].position == 3


def test_lines_with_the_same_8_tokens_up_to_the_peak_fold_into_the_strongest():
    same = [90, *range(10, 18), 91]
    rows = [{8: 3.0}, {8: 2.0}, {8: 1.0}]
    contexts = [context(same, 0), context([95, *same[1:9], 96], 1), context([90, 11, *same[2:]], 2)]
    folds = lines(contexts, rows).folded(firing(rows))
    assert [(fold.first.id, [other.id for other in fold.others]) for fold in folds] == [(0, [1]), (2, [])]


def test_a_firing_token_of_spaces_is_made_visible():
    tokens = TokenText(Vocabulary.of("h", [b"a", b"  "], frozenset()))
    rows = [{1: 1.0}]
    made = ContextLines({0: context([0, 1])}, tokens, 1.0).lines(firing(rows))
    assert made[0].from_peak[0].text == "··"


def test_a_whole_context_lists_every_firing_token_in_order():
    whole = lines([context([0, *range(1, 60)])], []).whole(0, {40: 5.0, 2: 1.0})
    assert [(row.position, row.token_id, row.level) for row in whole.firing] == [(2, 2, 1), (40, 40, 5)]
    assert whole.n_tokens == 60


def test_a_whole_context_without_firing_is_all_silent():
    whole = lines([context([1, 2])], []).whole(0, {})
    assert whole.firing == ()
    assert [segment.level for segment in whole.segments] == [0]
