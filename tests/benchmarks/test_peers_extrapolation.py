"""The time of all features from the batches that were made, by arithmetic."""

import pytest

from benchmarks.peers.extrapolation import of_all_features


def batch(seconds: float) -> dict[str, float]:
    return {"seconds": seconds, "cpu_seconds": 2 * seconds}


def size(feature_batch: int, *seconds: float) -> dict:
    return {"feature_batch": feature_batch, "batches": [batch(each) for each in seconds]}


def test_the_models_pass_is_counted_once_and_the_later_batches_as_often_as_there_are_batches():
    small, large = of_all_features([size(10, 10, 3, 5), size(20, 7)], d_sae=100)
    assert small["seconds"] == 6 + 10 * 4
    assert small["cpu_seconds"] == 2 * (6 + 10 * 4)
    assert large["seconds"] == 6 + 5 * 7
    assert (small["batches_in_all"], large["batches_in_all"]) == (10, 5)
    assert small["extrapolated"] and large["extrapolated"]


def test_where_every_batch_was_made_the_time_is_their_sum():
    (made,) = of_all_features([size(10, 10, 3, 5)], d_sae=30)
    assert made["seconds"] == 10 + 3 + 5
    assert not made["extrapolated"]


def test_a_last_batch_that_is_not_full_counts_as_one():
    (made,) = of_all_features([size(10, 10, 4)], d_sae=31)
    assert made["batches_in_all"] == 4
    assert made["seconds"] == 6 + 4 * 4


def test_one_batch_that_holds_all_features_is_the_whole():
    (made,) = of_all_features([size(100, 10)], d_sae=100)
    assert made["seconds"] == 10
    assert not made["extrapolated"]


def test_a_first_batch_no_slower_than_the_later_ones_leaves_no_model_pass():
    (made,) = of_all_features([size(10, 3, 4)], d_sae=20)
    assert made["seconds"] == 2 * 4


def test_one_batch_of_several_is_too_little_to_extrapolate_from():
    with pytest.raises(ValueError, match="No batch of 10 features"):
        of_all_features([size(10, 10)], d_sae=20)
