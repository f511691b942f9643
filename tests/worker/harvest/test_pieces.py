"""Single pieces against slow references: selection, the grid, sums, samples, token statistics, weights."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from catalog import grid as catalog_grid
from tests.worker.harvest.conftest import make_dictionary, make_world
from worker.harvest import grid
from worker.harvest.encode import Encoder
from worker.harvest.firings import TokenRows
from worker.harvest.fixed_point import as_float, carry
from worker.harvest.hashing import SAMPLE_STREAM, keyed, stream_key
from worker.harvest.position import bucket_edges
from worker.harvest.threads import Threads
from worker.harvest.weights import logit_effects, nearest_features, weight_results
from worker.sae.selection import select_plainly


def test_the_grid_is_the_catalogs():
    assert np.array_equal(grid.bin_edges(), catalog_grid.bin_edges())
    assert grid.N_BINS == catalog_grid.N_BINS


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("d_sae", "k"), [(64, None), (200, None), (200, 5), (7, 7), (130, 1), (64, 64)])
def test_compiled_selection_is_the_plain_one_ties_included(dtype, d_sae, k):
    generator = np.random.default_rng(d_sae)
    pre_acts = torch.from_numpy(generator.integers(-6, 7, size=(90, d_sae)) / 4).to(dtype)
    pre_acts[3] = -1
    pre_acts[4] = 1
    bias = (generator.integers(-2, 3, size=d_sae) / 4).astype(np.float32)
    threshold = np.zeros(d_sae, np.float32) if k else (generator.integers(0, 5, size=d_sae) / 4).astype(np.float32)
    weights = SimpleNamespace(W_enc=None, b_enc=bias, threshold=threshold, k=k)
    with Threads(2) as threads:
        rows = Encoder(weights, dtype=dtype, device=torch.device("cpu")).fire(pre_acts, threads)
    assert_same(rows, TokenRows(*select_plainly(pre_acts, bias=bias, threshold=threshold, k=k)))


def assert_same(rows, others):
    assert np.array_equal(rows.ends, others.ends)
    assert np.array_equal(rows.features, others.features)
    assert np.array_equal(rows.activations, others.activations)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("k", "threshold"), [(None, 0.0), (None, 3.0), (3, 0.0), (70, 0.0), (6000, 0.0)])
def test_tiles_of_features_give_what_whole_rows_give(dtype, k, threshold):
    """More features than one tile holds, in eighths, so that most values are tied and no product is rounded."""
    generator = np.random.default_rng(k)
    d_sae = 8192 + 2048 + 37
    acts = torch.from_numpy(generator.integers(-2, 3, size=(50, 4)) / 2).to(dtype)
    acts[7] = 0
    W_enc = (generator.integers(-2, 3, size=(4, d_sae)) / 4).astype(np.float32)
    bias = (generator.integers(-2, 2, size=d_sae) / 4).astype(np.float32)
    thresholds = np.where(np.arange(d_sae) % 3 == 0, threshold / 4, threshold).astype(np.float32)
    weights = SimpleNamespace(W_enc=W_enc, b_enc=bias, threshold=thresholds, k=k)
    with Threads(2) as threads:
        rows = Encoder(weights, dtype=dtype, device=torch.device("cpu")).fire(acts, threads)
    pre_acts = acts @ torch.from_numpy(W_enc).to(dtype)
    assert_same(rows, TokenRows(*select_plainly(pre_acts, bias=bias, threshold=thresholds, k=k)))


@pytest.mark.parametrize("kind", ["relu", "topk", "jumprelu"])
def test_selection_agrees_with_the_dictionarys_own_encode(kind):
    dictionary = make_dictionary(kind)
    acts = torch.randint(-16, 17, (200, 8), generator=torch.Generator().manual_seed(3)) / 8
    with Threads(1) as threads:
        encoder = Encoder(dictionary.harvest_weights(), dtype=torch.float32, device=torch.device("cpu"))
        rows = encoder.fire(acts, threads)
    dense = np.zeros((200, dictionary.d_sae), np.float32)
    tokens = np.repeat(np.arange(200), np.diff(rows.ends, prepend=0))
    dense[tokens, rows.features] = rows.activations
    assert np.array_equal(dense, dictionary.encode(acts).numpy())


def test_fixed_point_sums_do_not_depend_on_where_they_are_carried():
    sums = np.array([[3, 5 << 39]], np.int64)
    before = as_float(sums)
    carry(sums)
    assert as_float(sums) == before == 5.5
    assert sums.tolist() == [[5, 1 << 39]]


def test_positions_have_a_bucket_each_up_to_128_and_equal_ones_beyond():
    assert bucket_edges(16).tolist() == list(range(17))
    assert np.array_equal(bucket_edges(1024), np.arange(129) * 8)
    assert set(np.diff(bucket_edges(1000))) == {7, 8}


def test_the_sample_is_the_firing_contexts_of_smallest_hash(tmp_path):
    world = make_world(n_sample=9, n_top=1)
    result = world.harvest(tmp_path)[0]
    dense = world.dense(0)
    key = stream_key(world.plan.options.seed, SAMPLE_STREAM)
    for feature in range(result.d_sae):
        fired = np.flatnonzero(dense[..., feature].any(1))
        sample = sorted(fired, key=lambda context: keyed(np.uint64(keyed(key, feature)), context))[:9]
        bands = result.feature(feature)["bands"]
        assert set(bands["contexts"]["context_ids"].tolist()) == {int(context) for context in sample}


def token_at(ids, lengths, shift):
    shifted = np.roll(ids, -shift, axis=1)
    places = np.arange(ids.shape[1]) + shift
    return np.where((places >= 0) & (places < lengths[:, None]), shifted, -1)


@pytest.mark.parametrize(("name", "shift"), [("tokens", 0), ("previous_tokens", -1), ("next_tokens", 1)])
def test_token_statistics_of_a_whole_sample_are_exact(tmp_path, name, shift):
    world = make_world(n_sample=1000)
    result = world.harvest(tmp_path)[0]
    dense, kept = world.dense(0), world.kept()
    everything = np.arange(len(world.contexts))
    tokens = token_at(world.contexts.token_ids(everything), world.contexts.row_lengths(everything), shift)
    listed = 0
    for feature in range(result.d_sae):
        fires, values = dense[..., feature] > 0, dense[..., feature].astype(np.float64)
        found = result.feature(feature)[name]
        for row, token in enumerate(found["token_ids"]):
            both = (fires & (tokens == token)).sum()
            assert both >= 5
            assert found["recall"][row] == pytest.approx(both / fires.sum())
            assert found["low"][row] == found["high"][row] == found["recall"][row]
            assert found["precision"][row] == pytest.approx(both / (kept & (tokens == token)).sum())
            assert found["lift"][row] == pytest.approx(found["precision"][row] / (fires.sum() / kept.sum()), rel=1e-5)
            assert found["mass"][row] == pytest.approx(values[tokens == token].sum() / values.sum())
            listed += 1
        f1 = 2 * found["recall"] * found["precision"] / (found["recall"] + found["precision"])
        assert np.all(np.diff(f1) <= 1e-6)
    assert listed > 50


def test_sampled_recalls_lie_within_their_intervals_nearly_always(tmp_path):
    world = make_world(n_sample=25, sizes=[30] * 400)
    result = world.harvest(tmp_path)[0]
    dense = world.dense(0)
    tokens = world.contexts.token_ids(np.arange(len(world.contexts)))
    inside = []
    for feature in range(result.d_sae):
        fires = dense[..., feature] > 0
        found = result.feature(feature)["tokens"]
        for token, low, high in zip(found["token_ids"], found["low"], found["high"], strict=True):
            inside.append(low - 1e-6 <= (fires & (tokens == token)).sum() / fires.sum() <= high + 1e-6)
    assert len(inside) > 100
    assert np.mean(inside) > 0.85


def test_nearest_features_are_those_of_the_whole_cosine_matrix():
    directions = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    unit = directions / directions.norm(dim=-1, keepdim=True)
    cosines = unit @ unit.T - 3 * torch.eye(40)
    indices, values = nearest_features(directions, torch.arange(len(directions)))
    assert np.array_equal(indices, cosines.argsort(dim=-1, descending=True)[:, :10].numpy())
    assert values == pytest.approx(cosines.sort(dim=-1, descending=True).values[:, :10].numpy(), abs=1e-6)


@pytest.mark.parametrize("centres", [True, False])
def test_logit_effects_follow_the_path_and_are_centred(centres):
    generator = torch.Generator().manual_seed(0)
    W_out, W_U = torch.randn(8, 5, generator=generator), torch.randn(5, 60, generator=generator)
    scale = torch.rand(5, generator=generator) + 0.5
    path = SimpleNamespace(to_residual=W_out, W_U=W_U, final_norm_scale=scale, final_norm_centres=centres)
    residual = W_out - W_out.mean(1, keepdim=True) if centres else W_out
    effects = (residual * scale) @ W_U
    effects = (effects - effects.mean(1, keepdim=True)).numpy()
    found = logit_effects(None, path, rows=torch.arange(8))
    for feature in range(8):
        order = np.argsort(effects[feature])
        assert found.promoted_ids[feature].tolist() == order[::-1][:10].tolist()
        assert found.suppressed_ids[feature].tolist() == order[:10].tolist()
        assert found.promoted[feature] == pytest.approx(effects[feature][order[::-1][:10]], abs=1e-5)
        assert (found.low[feature], found.high[feature]) == pytest.approx(
            (effects[feature].min(), effects[feature].max())
        )
        assert found.counts[feature].sum() == 60
    assert found.final_norm_scale


def test_weights_of_neurons_are_unit_vectors_and_of_saes_their_own():
    neurons = weight_results(make_dictionary("neurons"), None)
    assert neurons.logits is None
    assert neurons.neighbour_indices.shape == (8, 0)
    assert neurons.decoder_norm.tolist() == neurons.encoder_decoder_cosine.tolist() == [1.0] * 8
    dictionary = make_dictionary("relu")
    found = weight_results(dictionary, None)
    cosine = torch.nn.functional.cosine_similarity(dictionary.W_enc.T, dictionary.W_dec)
    assert found.encoder_decoder_cosine == pytest.approx(cosine.numpy(), abs=1e-6)
    assert found.neighbour_indices.shape == (24, 10)
