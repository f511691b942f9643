"""Loss terms by arithmetic."""

import pytest
import torch

from worker.sae.losses import auxk, auxk_codes, decoder_weighted_l1, squared_error


def test_squared_error_is_summed_over_the_width_and_averaged_over_tokens():
    assert float(squared_error(torch.zeros(2, 2), torch.tensor([[1.0, 2], [3, 0]]))) == (5 + 9) / 2


def test_l1_weighs_each_activation_by_its_decoder_norm():
    feature_acts = torch.tensor([[1.0, 0], [2, 3]])
    assert float(decoder_weighted_l1(feature_acts, torch.tensor([[3.0, 4], [0, 2]]))) == (5 + 10 + 6) / 2


def test_l1_gains_nothing_from_a_larger_decoder():
    feature_acts, W_dec = torch.rand(5, 3), torch.randn(3, 4)
    assert float(decoder_weighted_l1(feature_acts / 7, W_dec * 7)) == pytest.approx(
        float(decoder_weighted_l1(feature_acts, W_dec)), rel=1e-5
    )


def test_auxk_uses_the_largest_positive_values_of_dead_features_only():
    pre = torch.tensor([[9.0, 3, 1, 2], [9, -1, -2, 0.5]])
    assert auxk_codes(pre, torch.tensor([1, 2, 3]), 2).tolist() == [[3, 0, 2], [0, 0, 0.5]]
    assert auxk_codes(pre, torch.tensor([1, 3]), 5).tolist() == [[3, 2], [0, 0.5]]


def test_auxk_is_the_share_of_the_residual_left_unexplained():
    residual = torch.tensor([[1.0, 0], [-1, 0]])
    assert float(auxk(residual, residual)) == 0
    assert float(auxk(residual, torch.zeros(2, 2))) == 1
    assert float(auxk(torch.zeros(2, 2), torch.zeros(2, 2))) == 0
