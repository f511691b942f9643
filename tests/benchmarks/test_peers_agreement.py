"""When two tools' top contexts count as the same, on lists made by hand."""

import numpy as np
import pytest

from benchmarks.peers.agreement import Agreement, Tolerance, compare
from benchmarks.peers.top_lists import NO_CONTEXT, FoundContext, TopLists

N_TOP, N_CTX = 3, 4
TOLERANCE = Tolerance(relative=0.01)


def context(number: int, *activations: float) -> FoundContext:
    return FoundContext(number, np.array([0, *activations], np.float32))


def lists(*contexts: FoundContext, complete: bool = False, feature: int = 7) -> TopLists:
    return TopLists.of([(feature, contexts)], [complete], n_top=N_TOP, n_ctx=N_CTX)


def agreement(ours: TopLists, theirs: TopLists, tolerance: Tolerance = TOLERANCE) -> Agreement:
    return compare(ours, theirs, tolerance)


THREE = (context(4, 0, 9, 1), context(2, 5, 0, 0), context(8, 0, 0, 3))


def test_the_same_lists_agree():
    found = agreement(lists(*THREE), lists(*THREE))
    assert found.same
    assert (found.features, found.contexts, found.tied, found.differing) == (1, 3, 0, 0)
    assert found.greatest_difference == 0


def test_differences_within_the_tolerance_agree_and_the_greatest_is_told():
    theirs = (context(4, 0, 9.05, 1), context(2, 5, 0, 0), context(8, 0, 0, 3))
    found = agreement(lists(*THREE), lists(*theirs))
    assert found.same
    assert found.greatest_difference == pytest.approx(0.05 / 9.05, rel=1e-4)


def test_the_absolute_part_of_the_tolerance_is_added():
    theirs = (context(4, 0, 9.15, 1), *THREE[1:])
    assert not agreement(lists(*THREE), lists(*theirs)).same
    assert agreement(lists(*THREE), lists(*theirs), Tolerance(relative=0.01, absolute=0.1)).same


def test_another_peak_is_a_difference():
    found = agreement(lists(*THREE), lists(context(4, 0, 9, 1), context(2, 5.5, 0, 0), context(8, 0, 0, 3)))
    assert not found.same
    assert "peak 1 is 5 here, 5.5 there." in found.differences[0]


def test_another_activation_below_the_peak_is_a_difference():
    found = agreement(lists(*THREE), lists(context(4, 0, 9, 2), *THREE[1:]))
    assert not found.same
    assert "differs by 1." in found.differences[0]


def test_contexts_with_the_same_peak_may_change_places():
    ours = lists(context(1, 5, 0, 0), context(2, 0, 5.01, 0), context(3, 1, 0, 0))
    theirs = lists(context(1, 5.01, 0, 0), context(2, 0, 5, 0), context(3, 1, 0, 0))
    assert ours.context_ids.tolist() == [[2, 1, 3]]
    assert theirs.context_ids.tolist() == [[1, 2, 3]]
    assert agreement(ours, theirs).same


def test_a_tie_at_the_end_of_the_list_is_counted_and_is_no_difference():
    found = agreement(lists(*THREE), lists(*THREE[:2], context(99, 0, 0, 3)))
    assert found.same
    assert found.tied == 2


def test_a_context_that_is_missing_without_a_tie_is_a_difference():
    found = agreement(lists(*THREE), lists(context(4, 0, 9, 1), context(99, 5, 0, 0), context(8, 0, 0, 3)))
    assert not found.same
    assert "context 99 with peak 5 is only there." in found.differences[0]
    assert "context 2 with peak 5 is only here." in found.differences[0]


def test_a_list_of_tokens_that_holds_fewer_contexts_is_compared_with_the_head_of_ours():
    assert agreement(lists(*THREE), lists(*THREE[:2])).same


def test_contexts_that_they_should_have_had_are_a_difference():
    found = agreement(lists(*THREE, complete=True), lists(*THREE[:2], complete=True))
    assert not found.same
    assert "1 more contexts fire here than there." in found.differences[0]


def test_contexts_that_we_should_have_had_are_a_difference():
    found = agreement(lists(*THREE[:2], complete=True), lists(*THREE, complete=True))
    assert not found.same
    assert "context 8 with peak 3 is only there." in found.differences[0]


def test_what_fires_below_the_tolerance_may_be_missing_from_a_complete_list():
    faint = (*THREE[:2], context(8, 0, 0, 0.05))
    assert agreement(lists(*faint, complete=True), lists(*THREE[:2], complete=True)).same
    assert agreement(lists(*THREE[:2], complete=True), lists(*faint, complete=True)).same


def test_a_feature_that_fires_for_neither_side_is_counted_as_silent():
    found = agreement(lists(complete=True), lists(context(3, 0, 0, 0), complete=True))
    assert found.same
    assert (found.silent, found.contexts) == (1, 0)


def test_a_feature_that_fires_for_one_side_only_is_a_difference():
    assert not agreement(lists(complete=True), lists(*THREE)).same
    assert not agreement(lists(*THREE), lists(complete=True)).same


def test_features_are_matched_by_number_and_the_others_of_ours_left_alone():
    ours = TopLists.of([(6, THREE[1:]), (7, THREE)], [False, False], n_top=N_TOP, n_ctx=N_CTX)
    assert agreement(ours, lists(*THREE)).same
    assert not agreement(ours, lists(*THREE, feature=6)).same
    with pytest.raises(ValueError, match="Feature 9 is in the other side's lists but not in ours"):
        agreement(ours, lists(*THREE, feature=9))


def test_nothing_compared_is_no_agreement():
    nothing = TopLists.of([], [], n_top=N_TOP, n_ctx=N_CTX)
    assert not agreement(lists(*THREE), nothing).same


def test_lists_come_in_order_of_peaks_without_what_does_not_fire():
    made = lists(context(5, 1, 0, 0), context(9, 0, 0, 0), context(3, 0, 2, 0))
    assert made.context_ids.tolist() == [[3, 5, NO_CONTEXT]]
    assert made.peaks.tolist() == [[2, 1, 0]]


def test_lists_are_read_as_they_were_written(tmp_path):
    made = lists(*THREE, complete=True)
    made.write(tmp_path / "tops.npz")
    read = TopLists.read(tmp_path / "tops.npz")
    for name in ("features", "context_ids", "activations", "complete"):
        assert np.array_equal(getattr(made, name), getattr(read, name))
        assert getattr(made, name).dtype == getattr(read, name).dtype
