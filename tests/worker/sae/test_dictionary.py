"""The canonical form: firing rules, identity, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from worker.sae.conventions import Conventions
from worker.sae.dictionary import KINDS
from worker.sae.errors import DictionaryError
from worker.sae.topk import keep_top_k


def top_k_one_by_one(row, k):
    """Slow second method: take the largest, lowest index first, k times."""
    kept = [0.0] * len(row)
    for index in sorted(range(len(row)), key=lambda i: (-row[i], i))[:k]:
        kept[index] = max(row[index], 0.0)
    return kept


def test_a_relu_feature_fires_above_zero(make_dictionary):
    dictionary = make_dictionary("relu", W_enc=torch.zeros(6, 16), b_enc=torch.tensor([-1.0, 0.0, 2.0] + [0.0] * 13))
    assert dictionary.encode(torch.ones(1, 6))[0, :3].tolist() == [0.0, 0.0, 2.0]


def test_a_jumprelu_feature_passes_unchanged_strictly_above_its_threshold(make_dictionary):
    pre = torch.tensor([0.5, 0.500001, 3.0, -1.0] + [0.0] * 12)
    threshold = torch.tensor([0.5, 0.5, 1.0, -2.0] + [0.0] * 12)
    dictionary = make_dictionary("jumprelu", W_enc=torch.zeros(6, 16), b_enc=pre, threshold=threshold)
    assert dictionary.encode(torch.ones(6))[:4].tolist() == pytest.approx([0.0, 0.500001, 3.0, 0.0])


def test_top_k_breaks_ties_by_the_lower_index():
    pre = torch.tensor([[1.0, 2, 2, 2, 0], [5, 1, 1, 1, 1], [0, 0, 0, 0, 0]])
    assert keep_top_k(pre, 2).tolist() == [[0, 2, 2, 0, 0], [5, 1, 0, 0, 0], [0, 0, 0, 0, 0]]


def test_top_k_keeps_fewer_where_fewer_are_positive():
    assert keep_top_k(torch.tensor([[-1.0, 3.0, -2.0, 0.0]]), 3).tolist() == [[0, 3, 0, 0]]


@pytest.mark.parametrize("k", [1, 3, 8])
def test_top_k_agrees_with_taking_one_after_another(k):
    pre = torch.randint(-3, 4, (200, 8), generator=torch.Generator().manual_seed(k)).float()
    assert keep_top_k(pre, k).tolist() == [top_k_one_by_one(row, k) for row in pre.tolist()]


def test_top_k_takes_any_leading_shape():
    pre = torch.randn(2, 3, 8)
    assert torch.equal(keep_top_k(pre, 2).flatten(0, 1), keep_top_k(pre.flatten(0, 1), 2))


def test_neurons_are_the_identity_above_their_thresholds(make_dictionary):
    dictionary = make_dictionary("neurons", threshold=torch.full((6,), 0.5))
    acts = torch.tensor([0.4, 0.5, 0.6, -1.0, 2.0, 0.0])
    assert dictionary.encode(acts).tolist() == pytest.approx([0, 0, 0.6, 0, 2.0, 0])
    assert torch.equal(dictionary.decode(acts), acts)
    assert dictionary.decoder_direction(2).tolist() == [0, 0, 1, 0, 0, 0]


def test_a_negative_threshold_never_lets_a_negative_activation_fire(make_dictionary):
    dictionary = make_dictionary("neurons", threshold=torch.full((6,), -1.0))
    assert dictionary.encode(torch.tensor([-0.5, 0.0, 0.5, 1, 1, 1])).tolist() == [0, 0, 0.5, 1, 1, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_harvest_weights_give_the_same_firings(kind, make_dictionary, acts):
    dictionary = make_dictionary(kind)
    weights = dictionary.harvest_weights()
    pre = acts.numpy() if weights.W_enc is None else acts.numpy() @ weights.W_enc
    pre = pre + weights.b_enc
    fires = pre > weights.threshold
    if weights.k:
        fires &= np.argsort(np.argsort(-pre, axis=1, kind="stable"), axis=1) < weights.k
    assert np.allclose(np.where(fires, pre, 0), dictionary.encode(acts).numpy(), atol=1e-5)
    for array in (weights.W_enc, weights.b_enc, weights.threshold):
        assert array is None or (array.dtype == np.float32 and array.flags.c_contiguous)


def test_decoding_adds_the_directions_that_fire(make_dictionary):
    dictionary = make_dictionary()
    feature_acts = torch.zeros(16)
    feature_acts[[2, 5]] = torch.tensor([1.5, 0.5])
    expected = dictionary.b_dec + 1.5 * dictionary.decoder_direction(2) + 0.5 * dictionary.decoder_direction(5)
    assert torch.allclose(dictionary.decode(feature_acts), expected, atol=1e-6)


def test_the_identity_depends_on_everything_that_changes_what_a_feature_is(make_dictionary):
    dictionary = make_dictionary()
    nudged = dictionary.W_enc.clone()
    nudged[0, 0] += 1e-6
    others = [
        replace(dictionary, W_enc=nudged),
        replace(dictionary, k=4),
        replace(dictionary, hook_name="blocks.1.hook_resid_post"),
        replace(dictionary, model_name="other"),
        replace(dictionary, conventions=Conventions(prepend_bos=False, n_ctx=32)),
        make_dictionary("relu"),
    ]
    assert len({dictionary.hash, *(other.hash for other in others)}) == 7


def test_the_identity_ignores_where_a_dictionary_came_from_and_where_it_is_held(make_dictionary):
    dictionary = make_dictionary()
    assert replace(dictionary, metadata={"source": "elsewhere"}).hash == dictionary.hash
    assert dictionary.to(dtype=torch.bfloat16).hash == dictionary.hash
    assert dictionary.to(dtype=torch.bfloat16).dtype == torch.bfloat16
    assert replace(dictionary, decoder_norms=torch.ones(16)).hash == dictionary.hash


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("topk", {"k": None}, "k is None"),
        ("topk", {"k": 17}, "1 to 16"),
        ("relu", {"k": 3}, "no other does"),
        ("relu", {"threshold": torch.zeros(16)}, "a threshold"),
        ("jumprelu", {"threshold": None}, "no threshold"),
        ("relu", {"W_enc": None}, "only neurons"),
        ("relu", {"d_in": 7}, r"W_enc is \(6, 16\), but with d_in 7"),
        ("relu", {"d_sae": 17}, r"b_enc is \(16,\)|W_enc is \(6, 16\)"),
        ("relu", {"b_enc": torch.full((16,), float("nan"))}, "NaN or infinite"),
        ("neurons", {"d_sae": 12, "threshold": torch.zeros(12), "b_enc": torch.zeros(12)}, "equal"),
    ],
)
def test_parts_that_do_not_fit_are_refused(kind, changes, words, make_dictionary):
    with pytest.raises(DictionaryError, match=words):
        make_dictionary(kind, **changes)


def test_activations_of_another_width_are_refused(make_dictionary):
    with pytest.raises(DictionaryError, match="7 wide"):
        make_dictionary().encode(torch.zeros(2, 7))


def test_a_feature_that_is_not_there_is_refused(make_dictionary):
    with pytest.raises(DictionaryError, match="features 0 to 15; there is no feature 16"):
        make_dictionary().decoder_direction(16)


def test_conventions_survive_json_and_refuse_what_they_do_not_know():
    conventions = Conventions(prepend_bos=False, n_ctx=64, weight_processing="folded", excluded_tokens=(1, 5))
    assert Conventions.from_json(conventions.to_json()) == conventions
    with pytest.raises(DictionaryError, match="no padding"):
        Conventions.from_json({**conventions.to_json(), "padding": 1})
    with pytest.raises(DictionaryError, match="need n_ctx"):
        Conventions.from_json({"prepend_bos": True})
    with pytest.raises(DictionaryError, match="n_ctx is 0"):
        Conventions(prepend_bos=True, n_ctx=0)
