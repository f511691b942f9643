"""Sparse products against the dense ones they stand for."""

import pytest
import torch

from worker.train.sparse import by_feature, decode, dots, feature_sums, largest, row_sums

N, K, D, F = 50, 4, 7, 20


@pytest.fixture
def codes():
    pre = torch.randn(N, F, generator=torch.Generator().manual_seed(4))
    indices, values = largest(pre, K)
    dense = torch.zeros(N, F).scatter_add(1, indices, values)
    return pre, indices, values, dense


def some(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(9))


@pytest.mark.parametrize("d_sae", [1, 5, 16, 17, 20, 400])
@pytest.mark.parametrize("k", [1, 4, 5])
def test_the_largest_are_those_of_a_full_sort(d_sae, k):
    k = min(k, d_sae)
    pre = some(200, d_sae)
    indices, values = largest(pre, k)
    expected = pre.sort(descending=True).values[:, :k].clamp(min=0)
    assert torch.equal(values.sort(descending=True).values, expected)
    found = values > 0
    assert torch.equal(pre.gather(1, indices)[found], values[found])


def test_ascending_rows_which_move_the_bar_at_every_value():
    pre = torch.arange(1.0, 1001).repeat(3, 1)
    indices, values = largest(pre, 5)
    assert values.sort().values.tolist() == [[996, 997, 998, 999, 1000]] * 3
    assert indices.sort().values.tolist() == [[995, 996, 997, 998, 999]] * 3


def test_equal_values_are_each_taken_once():
    indices, values = largest(torch.ones(2, 300), 7)
    assert values.tolist() == [[1.0] * 7] * 2
    assert all(len(set(row)) == 7 for row in indices.tolist())


def test_rows_without_enough_positive_values_are_filled_with_nothing():
    indices, values = largest(torch.tensor([[-1.0, 2, -3, 0], [-1, -1, -1, -1]]), 3)
    assert values.sort(descending=True).values.tolist() == [[2, 0, 0], [0, 0, 0]]
    assert indices[values > 0].tolist() == [1]


def test_decoding_is_the_product_with_dense_codes(codes):
    _, indices, values, dense = codes
    rows = some(F, D)
    assert torch.allclose(decode(indices, values, rows), dense @ rows, atol=1e-5)


def test_dots_are_picked_from_the_dense_product(codes):
    _, indices, _, _ = codes
    vectors, rows = some(N, D), some(F, D)
    assert torch.allclose(dots(indices, vectors, rows), (vectors @ rows.T).gather(1, indices), atol=1e-5)


def test_row_sums_are_the_transposed_dense_product(codes):
    _, indices, values, dense = codes
    vectors = some(N, D)
    assert torch.allclose(row_sums(indices, values, vectors, F), dense.T @ vectors, atol=1e-5)


def test_feature_sums_are_column_sums(codes):
    _, indices, values, dense = codes
    assert torch.allclose(feature_sums(indices, values, F), dense.sum(0), atol=1e-5)


def test_places_are_grouped_by_feature_in_order(codes):
    _, indices, _, _ = codes
    offsets, places = by_feature(indices, F)
    flat = indices.flatten()
    for feature in range(F):
        expected = (flat == feature).nonzero().flatten().tolist()
        assert places[offsets[feature] : offsets[feature + 1]].tolist() == expected


def test_any_number_of_threads_gives_the_same_bits(codes):
    pre, indices, values, _ = codes
    vectors = some(N, D)
    results = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        results.append((row_sums(indices, values, vectors, F), dots(indices, vectors, some(F, D)), *largest(pre, K)))
    torch.set_num_threads(1)
    for others in results[1:]:
        assert all(torch.equal(left, right) for left, right in zip(results[0], others, strict=True))


@pytest.mark.gpu
def test_a_gpu_gives_what_the_cpu_gives(codes):
    pre, indices, values, _ = codes
    vectors, rows = some(N, D), some(F, D)
    there = [tensor.cuda() for tensor in (indices, values, vectors, rows)]
    assert torch.allclose(dots(there[0], there[2], there[3]).cpu(), dots(indices, vectors, rows), atol=1e-5)
    assert torch.allclose(row_sums(*there[:3], F).cpu(), row_sums(indices, values, vectors, F), atol=1e-5)
    assert torch.equal(largest(pre.cuda(), K)[1].sort().values.cpu(), values.sort().values)
