"""Bases: directions by a second method, and thresholds that give the stated density."""

import pytest
import torch

from worker.sae.basis import mean_and_covariance, neurons, principal_components, random_directions, set_thresholds
from worker.sae.conventions import Conventions
from worker.sae.errors import DictionaryError

WHERE = {"hook_name": "blocks.0.mlp.hook_post", "model_name": "tiny", "conventions": Conventions(True, 32)}


@pytest.fixture
def pilot():
    generator = torch.Generator().manual_seed(5)
    stretched = torch.randn(1000, 6, generator=generator) * torch.tensor([5.0, 3, 2, 1, 0.5, 0.1])
    turn = torch.linalg.qr(torch.randn(6, 6, generator=generator)).Q
    return stretched @ turn + torch.tensor([3.0, -1, 0, 2, 0, 1])


def made(kind, pilot, **options):
    makers = {"neurons": neurons, "pca": principal_components, "random": random_directions}
    if kind == "random":
        options = {"n_directions": 4, "seed": 1, **options}
    return makers[kind](pilot, **WHERE, **options)


@pytest.mark.parametrize("kind", ["neurons", "pca", "random"])
@pytest.mark.parametrize("density", [0.01, 0.1])
def test_every_feature_fires_on_the_stated_share_of_the_pilot(kind, density, pilot):
    basis = made(kind, pilot + 10 if kind == "neurons" else pilot, density=density)
    assert (basis.encode(pilot + 10 if kind == "neurons" else pilot) > 0).sum(0).tolist() == [
        density * 1000
    ] * basis.d_sae


def test_a_neuron_that_is_seldom_positive_fires_only_there(pilot):
    acts = -pilot.abs()
    acts[:3, 0] = 1.0
    basis = neurons(acts, **WHERE, density=0.01)
    assert (basis.encode(acts) > 0).sum(0).tolist() == [3, 0, 0, 0, 0, 0]


def test_principal_components_are_those_of_the_singular_value_decomposition(pilot):
    basis = principal_components(pilot, **WHERE)
    centred = pilot.double() - pilot.double().mean(0)
    expected = torch.linalg.svd(centred, full_matrices=False).Vh
    assert basis.d_sae == 12
    for component in range(6):
        along, against = basis.W_dec[2 * component], basis.W_dec[2 * component + 1]
        assert torch.equal(along, -against)
        assert abs(float(along.double() @ expected[component])) == pytest.approx(1, abs=1e-5)
        assert float(along[along.abs().argmax()]) > 0


def test_pre_activations_of_both_signs_measure_from_the_mean(pilot):
    basis = principal_components(pilot, **WHERE)
    pre = basis.pre_acts(pilot)
    expected = (pilot - pilot.mean(0)) @ basis.W_dec.T
    assert torch.allclose(pre, expected, atol=1e-4)
    assert torch.allclose(pre[:, 0::2], -pre[:, 1::2], atol=1e-4)


def test_with_both_signs_and_no_threshold_components_reconstruct_everything(pilot):
    basis = principal_components(pilot, **WHERE)
    opened = type(basis)(
        **{
            name: getattr(basis, name) for name in ("kind", "d_in", "d_sae", "W_enc", "b_enc", "W_dec", "b_dec", *WHERE)
        },
        threshold=torch.zeros(12),
    )
    assert torch.allclose(opened.decode(opened.encode(pilot)), pilot, atol=1e-4)


def test_fewer_components_are_the_strongest(pilot):
    basis = principal_components(pilot, **WHERE, n_components=2)
    assert torch.equal(basis.W_dec, principal_components(pilot, **WHERE).W_dec[:4])


def test_random_directions_are_fixed_by_their_seed(pilot):
    one, same, other = (made("random", pilot, seed=seed) for seed in (1, 1, 2))
    assert one.hash == same.hash != other.hash
    assert torch.allclose(one.W_dec.norm(dim=-1), torch.ones(8))
    assert torch.equal(one.W_dec[0::2], -one.W_dec[1::2])


def test_a_wide_basis_is_measured_in_tiles(pilot):
    basis = made("random", pilot, n_directions=700)
    assert (basis.encode(pilot) > 0).sum(0).tolist() == [10] * 1400


def test_mean_and_covariance_by_hand():
    mean, covariance = mean_and_covariance(torch.tensor([[1.0, 0], [3, 4]]))
    assert mean.tolist() == [2, 2]
    assert covariance.tolist() == [[1, 2], [2, 4]]


def test_thresholds_need_a_basis_a_pilot_and_a_density(make_dictionary, pilot):
    basis = made("neurons", pilot)
    with pytest.raises(DictionaryError, match="topk dictionary has no thresholds"):
        set_thresholds(make_dictionary(), pilot)
    with pytest.raises(DictionaryError, match="no tokens"):
        set_thresholds(basis, pilot[:0])
    with pytest.raises(DictionaryError, match=r"density is 1\.5"):
        set_thresholds(basis, pilot, density=1.5)
    with pytest.raises(DictionaryError, match="at least two tokens; the pilot sample has 1"):
        principal_components(pilot[:1], **WHERE)
