"""Streaming metrics against whole-sample arithmetic, and the loss recovered by splicing into a real tiny model."""

import pytest
import torch

from worker.sae.dictionary import Dictionary
from worker.sae.errors import DictionaryError
from worker.sae.metrics import LossRecovered, StreamingMetrics, loss_recovered, next_token_loss

HOOK = "blocks.0.hook_resid_post"


def streamed(parts, d_in=6, d_sae=16):
    stream = StreamingMetrics(d_in, d_sae)
    for part in parts:
        stream.update(*part)
    return stream


def sample(make_dictionary, acts):
    dictionary = make_dictionary()
    feature_acts = dictionary.encode(acts)
    return acts, feature_acts, dictionary.decode(feature_acts)


@pytest.mark.parametrize("sizes", [[40], [1, 39], [13, 13, 14], [0, 40, 0]])
def test_metrics_do_not_depend_on_the_batches(sizes, make_dictionary, acts):
    acts, feature_acts, recon = sample(make_dictionary, acts)
    parts = zip(acts.split(sizes), feature_acts.split(sizes), recon.split(sizes), strict=True)
    quality = streamed(parts).result()
    exact = acts.double()
    fvu = ((recon.double() - exact) ** 2).sum() / ((exact - exact.mean(0)) ** 2).sum()
    assert quality.fvu == pytest.approx(float(fvu), rel=1e-9)
    assert quality.l0 == pytest.approx(float((feature_acts > 0).sum()) / 40)
    assert quality.tokens == 40
    assert quality.density.tolist() == pytest.approx((feature_acts > 0).double().mean(0).tolist())
    assert quality.dead_fraction == float((feature_acts == 0).all(0).double().mean())


def test_fvu_does_not_depend_on_scale_or_on_a_large_mean(make_dictionary, acts):
    acts, feature_acts, recon = sample(make_dictionary, acts)
    plain = streamed([(acts, feature_acts, recon)]).result().fvu
    scaled = streamed([(acts * 8, feature_acts, recon * 8)]).result().fvu
    shifted = streamed([(part.double() + 1e6, feature_acts, r.double() + 1e6) for part, r in [(acts, recon)]])
    assert scaled == pytest.approx(plain, rel=1e-9)
    assert shifted.result().fvu == pytest.approx(plain, rel=1e-6)


def test_streams_merge_in_any_order(make_dictionary, acts):
    acts, feature_acts, recon = sample(make_dictionary, acts)
    whole = streamed([(acts, feature_acts, recon)]).result()
    for first, second in [(slice(0, 10), slice(10, 40)), (slice(10, 40), slice(0, 10)), (slice(0, 40), slice(0, 0))]:
        left = streamed([(acts[first], feature_acts[first], recon[first])])
        left.merge(streamed([(acts[second], feature_acts[second], recon[second])]))
        merged = left.result()
        assert (merged.tokens, merged.l0) == (whole.tokens, whole.l0)
        assert merged.fvu == pytest.approx(whole.fvu, rel=1e-12)


def test_features_that_fire_too_often_are_counted():
    feature_acts = torch.zeros(10, 4)
    feature_acts[:2, 0] = 1.0
    feature_acts[:1, 1] = 1.0
    acts = torch.randn(10, 6)
    quality = streamed([(acts, feature_acts, acts)], d_sae=4).result()
    assert quality.dense_fraction(above=0.1) == 0.25
    assert quality.dead_fraction == 0.5


def test_a_stream_without_tokens_or_without_variance_has_no_quality():
    with pytest.raises(DictionaryError, match="no tokens"):
        streamed([]).result()
    constant = torch.ones(5, 6)
    with pytest.raises(DictionaryError, match="all the same"):
        streamed([(constant, torch.zeros(5, 16), constant)]).result()


def batches(is_text):
    ids = torch.randint(0, 11, is_text.shape, generator=torch.Generator().manual_seed(2))
    return [(ids, is_text)]


def identity(tiny_model, **changes):
    """Two features a dimension, +x and -x: a dictionary that reconstructs everything."""
    eye = torch.eye(tiny_model.d_model)
    rows = torch.cat([eye, -eye])
    values = {
        "kind": "relu",
        "d_in": tiny_model.d_model,
        "d_sae": len(rows),
        "W_enc": rows.T.contiguous(),
        "b_enc": torch.zeros(len(rows)),
        "W_dec": rows,
        "b_dec": torch.zeros(tiny_model.d_model),
        "hook_name": HOOK,
        "model_name": "tiny",
        "conventions": tiny_model.conventions,
    }
    return Dictionary(**{**values, **changes})


def test_a_perfect_reconstruction_recovers_all_the_loss(tiny_model):
    is_text = torch.ones(3, 8, dtype=torch.bool)
    recovered = loss_recovered(tiny_model, identity(tiny_model), batches(is_text), mean=torch.zeros(8))
    assert recovered.predictions == 21
    assert recovered.against_mean == pytest.approx(1, abs=1e-5)
    assert recovered.against_zero == pytest.approx(1, abs=1e-5)


def test_a_dictionary_that_only_knows_the_mean_recovers_nothing(tiny_model):
    is_text = torch.ones(3, 8, dtype=torch.bool)
    mean = torch.linspace(-1, 1, 8)
    silent = identity(tiny_model, b_enc=torch.full((16,), -1e6), b_dec=mean)
    recovered = loss_recovered(tiny_model, silent, batches(is_text), mean=mean)
    assert recovered.against_mean == pytest.approx(0, abs=1e-6)
    assert recovered.loss_recon == pytest.approx(recovered.loss_mean_ablated)


def test_losses_are_those_of_a_forward_pass_with_the_activation_replaced_by_hand(tiny_model):
    is_text = torch.ones(3, 8, dtype=torch.bool)
    is_text[:, 0] = False
    is_text[1, 5:] = False
    ((ids, _),) = batches(is_text)
    recovered = loss_recovered(tiny_model, identity(tiny_model), batches(is_text), mean=torch.ones(8))
    resid = tiny_model.embed(ids)
    for kept, loss in [(1.0, recovered.loss), (0.0, recovered.loss_zero_ablated)]:
        logits = tiny_model.unembed(torch.where(is_text[..., None], resid * kept, resid))
        picked = [
            -float(logits[row, at].log_softmax(-1)[ids[row, at + 1]])
            for row in range(3)
            for at in range(7)
            if is_text[row, at] and is_text[row, at + 1]
        ]
        assert recovered.predictions == len(picked)
        assert loss == pytest.approx(sum(picked) / len(picked), rel=1e-5)


def test_only_predictions_from_text_to_text_count(tiny_model):
    is_text = torch.zeros(1, 8, dtype=torch.bool)
    is_text[0, [1, 2, 4]] = True
    ((ids, _),) = batches(is_text)
    logits = tiny_model.logits(ids)
    expected = -float(logits[0, 1].log_softmax(-1)[ids[0, 2]])
    assert next_token_loss(logits, ids, is_text) == pytest.approx(expected, rel=1e-5)


def test_a_sample_without_two_neighbouring_text_tokens_has_no_loss(tiny_model):
    is_text = torch.zeros(1, 8, dtype=torch.bool)
    is_text[0, [1, 3, 5]] = True
    with pytest.raises(DictionaryError, match="followed by another"):
        loss_recovered(tiny_model, identity(tiny_model), batches(is_text), mean=torch.zeros(8))


def test_loss_recovered_by_arithmetic():
    recovered = LossRecovered(10, loss=2.0, loss_recon=2.5, loss_mean_ablated=6.0, loss_zero_ablated=12.0)
    assert recovered.against_mean == pytest.approx(3.5 / 4)
    assert recovered.against_zero == pytest.approx(9.5 / 10)


def test_a_hook_that_does_not_matter_has_no_loss_to_recover():
    with pytest.raises(DictionaryError, match="does not change the loss"):
        _ = LossRecovered(10, 2.0, 2.0, 2.0, 2.0).against_mean
