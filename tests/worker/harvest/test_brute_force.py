"""The whole harvest against the full activation matrix, for every kind of dictionary and every feature."""

import numpy as np
import pytest

from catalog.grid import bin_of

KINDS = range(4)


def features_of(result):
    return range(result.d_sae)


@pytest.mark.parametrize("index", KINDS)
def test_counts_sums_and_peaks_are_those_of_the_full_matrix(harvested, index):
    world, results = harvested
    dense, result = world.dense(index), results[index]
    fires = dense > 0
    documents = world.contexts.document_ids
    by_document = np.stack([fires[documents == d].any((0, 1)) for d in np.unique(documents)])
    assert np.array_equal(result.tokens_fired, fires.sum((0, 1)))
    assert np.array_equal(result.contexts_fired, fires.any(1).sum(0))
    assert np.array_equal(result.documents_fired, by_document.sum(0))
    assert np.array_equal(result.activation_sum, dense.astype(np.float64).sum((0, 1)))
    assert np.array_equal(result.activation_sum_squares, (dense.astype(np.float64) ** 2).sum((0, 1)))
    assert np.array_equal(result.peak, dense.max((0, 1)))


@pytest.mark.parametrize("index", KINDS)
def test_the_histogram_is_that_of_the_full_matrix(harvested, index):
    world, results = harvested
    dense = world.dense(index)
    for feature in features_of(results[index]):
        values = dense[..., feature]
        bins, counts = np.unique(bin_of(values[values > 0]), return_counts=True)
        found = results[index].feature(feature)
        assert np.array_equal(found["histogram_bins"], bins)
        assert np.array_equal(found["histogram_counts"], counts)


@pytest.mark.parametrize("index", KINDS)
def test_top_contexts_are_the_greatest_peaks_one_a_document_with_all_their_activations(harvested, index):
    world, results = harvested
    dense = world.dense(index)
    for feature in features_of(results[index]):
        peaks = dense[..., feature].max(1)
        best, seen = [], set()
        for context in sorted(np.flatnonzero(peaks), key=lambda context: (-peaks[context], context)):
            document = world.contexts.document_ids[context]
            if document not in seen and len(best) < world.plan.options.n_top:
                seen.add(document)
                best.append(context)
        assert_contexts(results[index].feature(feature)["top"], best, dense[..., feature])


def assert_contexts(found, context_ids, activations):
    assert found["context_ids"].tolist() == [int(context) for context in context_ids]
    assert np.array_equal(found["peaks"], activations[context_ids].max(1) if len(context_ids) else [])
    for row, context in enumerate(context_ids):
        span = slice(found["offsets"][row], found["offsets"][row + 1])
        positions = np.flatnonzero(activations[context])
        assert np.array_equal(found["positions"][span], positions)
        assert np.array_equal(found["activations"][span], activations[context][positions])


@pytest.mark.parametrize("index", KINDS)
def test_the_position_profile_is_that_of_the_full_matrix(harvested, index):
    world, results = harvested
    dense = world.dense(index)
    assert np.array_equal(results[index].position_fired, (dense > 0).sum(0).T)
    assert np.array_equal(results[index].position_sum, dense.sum(0).T.astype(np.float32))
    assert np.array_equal(results[index].corpus.position_tokens, world.kept().sum(0))


@pytest.mark.parametrize("index", KINDS)
def test_bands_are_fifths_of_the_sample_and_their_shares_are_its_own(harvested, index):
    world, results = harvested
    dense, result = world.dense(index), results[index]
    n_sample = world.plan.options.n_sample
    for feature in features_of(result):
        values = dense[..., feature]
        fired = np.flatnonzero(values.any(1))
        bands = result.feature(feature)["bands"]
        assert bands["sample_of"] == len(fired)
        assert bands["sample_size"] == min(len(fired), n_sample)
        if len(fired) > n_sample:
            continue
        ranked = sorted(fired, key=lambda context: (-values[context].max(), context))
        fifths = [[c for rank, c in enumerate(ranked) if 5 * rank // len(ranked) == band] for band in range(5)]
        for band, fifth in enumerate(fifths):
            peaks = [values[context].max() for context in fifth]
            assert bands["low"][band] == min(peaks, default=0)
            assert bands["high"][band] == max(peaks, default=0)
            assert bands["share_of_firings"][band] == pytest.approx(
                (values[fifth] > 0).sum() / max(1, (values > 0).sum()), abs=1e-6
            )
            shown = bands["contexts"]["context_ids"][bands["band"] == band]
            assert len(shown) == min(5, len(fifth))
            assert set(shown.tolist()) <= set(fifth)
        assert_contexts(bands["contexts"], bands["contexts"]["context_ids"], values)


@pytest.mark.parametrize("index", KINDS)
def test_the_reserve_shares_no_context_with_what_is_shown(harvested, index):
    _, results = harvested
    some = 0
    for feature in features_of(results[index]):
        found = results[index].feature(feature)
        reserve = found["reserve"]
        shown = {*found["top"]["context_ids"].tolist(), *found["bands"]["contexts"]["context_ids"].tolist()}
        held = reserve["contexts"]["context_ids"].tolist()
        assert not shown & set(held)
        assert np.all(np.bincount(reserve["band"], minlength=5) <= 2)
        assert not set(found["controls"]["context_ids"].tolist()) & set(reserve["controls"]["context_ids"].tolist())
        some += len(held)
    assert some > 0


def rows_of_controls(found):
    for controls in (found["controls"], found["reserve"]["controls"]):
        yield from zip(*controls.values(), strict=True)


@pytest.mark.parametrize("index", KINDS)
def test_controls_are_silent_and_their_reasons_hold(harvested, index):
    world, results = harvested
    dense = world.dense(index)
    ids = world.contexts.token_ids(np.arange(len(world.contexts)))
    seen_reasons = set()
    for feature in features_of(results[index]):
        found = results[index].feature(feature)
        for context, reason, related in rows_of_controls(found):
            seen_reasons.add(int(reason))
            assert not dense[context, :, feature].any()
            assert reason != 1 or related in ids[context]
            assert reason != 2 or dense[context, :, related].any()
    assert {0, 1} <= seen_reasons


@pytest.mark.parametrize("index", KINDS)
def test_coactivation_on_all_tokens_is_that_of_the_full_matrix(harvested, index):
    world, results = harvested
    found = results[index].coactivation
    fires = (world.dense(index) > 0)[world.kept()].astype(np.int64)
    assert found.sample_tokens == len(fires)
    joint, alone = fires.T @ fires, fires.sum(0)
    for feature in features_of(results[index]):
        jaccard = joint[feature] / np.maximum(1, alone[feature] + alone - joint[feature])
        jaccard[(joint[feature] < 10) | (np.arange(len(alone)) == feature)] = 0
        best = [p for p in np.lexsort((np.arange(len(alone)), -jaccard)) if jaccard[p] > 0][:10]
        partners = found.feature(feature)
        assert partners["indices"].tolist() == best
        assert np.array_equal(partners["joint"], joint[feature, best])
        assert np.array_equal(partners["other_given_this"], (joint[feature, best] / alone[feature]).astype(np.float32))
        assert np.array_equal(partners["this_given_other"], (joint[feature, best] / alone[best]).astype(np.float32))


def test_the_corpus_is_counted_by_token_and_place(harvested):
    world, results = harvested
    corpus = results[0].corpus
    ids, kept = world.contexts.token_ids(np.arange(len(world.contexts))), world.kept()
    lengths = world.contexts.row_lengths(np.arange(len(world.contexts)))
    has_next = np.arange(1, ids.shape[1] + 1) < lengths[:, None]
    following = np.roll(ids, -1, axis=1)
    assert corpus.tokens == kept.sum()
    assert corpus.special_tokens == lengths.sum() - kept.sum()
    assert corpus.contexts == len(ids)
    assert corpus.documents == len(np.unique(world.contexts.document_ids))
    assert np.array_equal(corpus.token_counts, np.bincount(ids[kept], minlength=40))
    assert np.array_equal(corpus.previous_counts, np.bincount(np.roll(ids, 1, axis=1)[kept], minlength=40))
    assert np.array_equal(corpus.next_counts, np.bincount(following[kept & has_next], minlength=40))
