"""Thresholds of a trained dictionary, against a loop over features."""

import numpy as np
import pytest
import torch

from worker.sae.conventions import Conventions
from worker.sae.dictionary import Dictionary
from worker.train.errors import TrainingError
from worker.train.thresholds import MIN_FIRINGS, with_thresholds

D_IN, D_SAE, K = 6, 10, 3
RARE, SILENT = 8, 9


@pytest.fixture
def dictionary() -> Dictionary:
    generator = torch.Generator().manual_seed(3)
    rows = torch.nn.functional.normalize(torch.randn(D_SAE, D_IN, generator=generator), dim=-1)
    b_enc = torch.zeros(D_SAE)
    b_enc[RARE], b_enc[SILENT] = -2.2, -100
    return Dictionary(
        kind="topk",
        d_in=D_IN,
        d_sae=D_SAE,
        W_enc=rows.T.contiguous(),
        b_enc=b_enc,
        W_dec=rows,
        b_dec=torch.zeros(D_IN),
        hook_name="blocks.0.hook_resid_post",
        model_name="tiny",
        conventions=Conventions(prepend_bos=True, n_ctx=8),
        k=K,
    )


@pytest.fixture
def blocks() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    return [torch.randn(n, D_IN, generator=generator) for n in (500, 1, 300)]


def test_each_feature_keeps_the_strongest_of_its_own_firings(dictionary, blocks):
    gated = with_thresholds(dictionary, blocks, quantile=0.25)
    acts = torch.cat([dictionary.encode(block) for block in blocks]).numpy()
    every = np.quantile(acts[acts > 0], 0.25)
    assert 0 < (acts[:, RARE] > 0).sum() < MIN_FIRINGS
    for feature in range(D_SAE):
        firings = acts[:, feature][acts[:, feature] > 0]
        if len(firings) >= MIN_FIRINGS:
            kept = (firings > float(gated.threshold[feature])).sum()
            assert abs(kept - 0.75 * len(firings)) <= 1
        else:
            assert feature in (RARE, SILENT)
            lowest = firings.min(initial=np.inf)
            assert float(gated.threshold[feature]) == pytest.approx(min(every, lowest), rel=1e-6)
            assert (firings > float(gated.threshold[feature])).sum() in (len(firings), (firings > every).sum())
    assert gated.kind == "jumprelu"
    assert gated.k is None
    assert gated.metadata["thresholds"] == {"k": K, "quantile": 0.25, "tokens": 801}


def test_what_fires_is_exactly_what_lies_above_the_threshold(dictionary, blocks):
    gated = with_thresholds(dictionary, blocks, quantile=0.5)
    pre_acts = blocks[0] @ dictionary.W_enc + dictionary.b_enc
    expected = torch.where((pre_acts > gated.threshold) & (pre_acts > 0), pre_acts, 0)
    torch.testing.assert_close(gated.encode(blocks[0]), expected)
    assert gated.hash != dictionary.hash


def test_a_dictionary_of_another_kind_is_refused(dictionary, blocks):
    gated = with_thresholds(dictionary, blocks, quantile=0.5)
    with pytest.raises(TrainingError, match="'jumprelu'"):
        with_thresholds(gated, blocks, quantile=0.5)


@pytest.mark.parametrize("quantile", [-0.1, 1.5])
def test_a_quantile_out_of_range_is_refused(dictionary, blocks, quantile):
    with pytest.raises(TrainingError, match="0 to 1"):
        with_thresholds(dictionary, blocks, quantile=quantile)


def test_no_activations_are_refused(dictionary):
    with pytest.raises(TrainingError, match="No feature fires"):
        with_thresholds(dictionary, [], quantile=0.5)
