"""Harvests of some features only: each feature is what it is in a harvest of all, as far as it does not need others."""

import numpy as np
import pytest

from tests.worker.harvest.conftest import D_SAE, equal, make_dictionary, make_world
from worker.harvest.errors import HarvestError
from worker.harvest.subset import features_of, name_features, parse_features
from worker.harvest.weights import weight_results

SMALL = {"n_sample": 12, "n_top": 5, "n_pool": 20, "coactivation_tokens": 700}
CHOSEN = [1, 2, 3, 5, 7]
ALONE = ("tokens_fired", "peak", "activation_sum", "histogram_counts", "position_fired", "top", "bands", "tokens")


@pytest.mark.parametrize("kind", ["relu", "topk", "jumprelu", "neurons"])
def test_a_feature_of_a_subset_has_the_numbers_it_has_in_a_harvest_of_all(kind, tmp_path):
    whole = make_world((kind,), **SMALL).harvest(tmp_path / "all")[0]
    some = make_world((kind,), **SMALL, features=name_features(CHOSEN)).harvest(tmp_path / "some")[0]
    assert some.features.tolist() == CHOSEN
    assert some.d_sae == some.summary.n_features == len(CHOSEN)
    for place, number in enumerate(CHOSEN):
        mine, theirs = some.feature(place), whole.feature(number)
        assert mine["index"] == number
        for name in ALONE:
            assert _same(mine[name], theirs[name]), (number, name)


def test_partners_and_near_misses_are_of_the_subset_and_go_by_their_numbers(tmp_path):
    world = make_world(("relu",), **SMALL, features=name_features(CHOSEN))
    nearest = [np.array([[(number + 1) % D_SAE, 2] for number in range(D_SAE)])[CHOSEN]]
    result = world.harvest(tmp_path, neighbours=nearest)[0]
    related = result.controls.related[result.controls.reason == 2]
    assert len(result.coactivation.indices) > 0
    assert set(result.coactivation.indices.tolist()) <= set(CHOSEN)
    assert set(related.tolist()) <= set(CHOSEN)
    dense = world.dense(0)
    for place in range(len(CHOSEN)):
        found = result.feature(place)["controls"]
        for context, reason, other in zip(found["context_ids"], found["reason"], found["related"], strict=True):
            assert reason != 2 or (dense[context, :, other] > 0).any()


def test_weights_of_a_subset_are_those_rows_of_all():
    dictionary = make_dictionary("relu")
    features = np.array(CHOSEN)
    whole, some = weight_results(dictionary, None), weight_results(dictionary, None, features)
    assert np.array_equal(some.neighbour_indices, whole.neighbour_indices[features])
    assert np.allclose(some.neighbour_cosines, whole.neighbour_cosines[features], atol=1e-6)
    assert np.array_equal(some.decoder_norm, whole.decoder_norm[features])


def test_numbers_and_ranges_are_read_and_written():
    assert parse_features("3, 0-2,7,5-5,1").tolist() == [0, 1, 2, 3, 5, 7]
    assert name_features([7, 0, 1, 2, 3, 5]) == "0-3,5,7"
    assert parse_features(name_features(CHOSEN)).tolist() == CHOSEN
    assert features_of(None, 4).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("text", ["", "a", "5-3", "1,,2", "-1", "1-", "1.5", "9" * 40, "0-99999999999", "0-999999999"])
def test_what_names_no_features_is_refused(text):
    with pytest.raises(HarvestError, match="names"):
        parse_features(text)


def test_a_feature_beyond_the_dictionary_is_refused_before_anything_runs(tmp_path):
    world = make_world(features="0-24")
    with pytest.raises(HarvestError, match="features 0 to 23; there is no feature 24"):
        world.harvest(tmp_path)
    assert list(tmp_path.iterdir()) == []


def _same(mine, theirs) -> bool:
    if isinstance(mine, dict):
        return all(_same(mine[key], theirs[key]) for key in mine)
    return equal(mine, theirs)
