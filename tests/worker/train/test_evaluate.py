"""Quality on held-out contexts, against arithmetic over the whole sample."""

import json

import numpy as np
import pytest
import torch

from worker.sae.conventions import Conventions
from worker.sae.dictionary import Dictionary
from worker.train.errors import TrainingError
from worker.train.evaluate import Quality, measure_quality

HOOK, D, D_SAE, D_VOCAB = "blocks.0.hook_resid_post", 8, 20, 13


class TinyModel:
    """Embedding, one hook, unembedding."""

    def __init__(self):
        generator = torch.Generator().manual_seed(11)
        self.W_E = torch.randn(D_VOCAB, D, generator=generator)
        self.W_U = torch.randn(D, D_VOCAB, generator=generator)

    def activations(self, token_ids, hook_names):
        return {name: self.W_E[token_ids] for name in hook_names}

    def logits(self, token_ids, *, edit=None):
        resid = self.W_E[token_ids]
        for change in (edit or {}).values():
            resid = change(resid)
        return torch.tanh(resid) @ self.W_U


class ShortContexts:
    bos_id = 0

    def __init__(self, n_contexts=40):
        generator = np.random.default_rng(0)
        self.lengths = generator.integers(1, 8, n_contexts).astype(np.int32)
        self.ids = generator.integers(1, D_VOCAB, (n_contexts, 8))

    def token_ids(self, context_ids):
        ids = self.ids[context_ids].copy()
        ids[:, 0] = 0
        ids[np.arange(8) > self.lengths[context_ids][:, None]] = 0
        return ids


@pytest.fixture
def dictionary():
    generator = torch.Generator().manual_seed(2)
    W_dec = torch.nn.functional.normalize(torch.randn(D_SAE, D, generator=generator), dim=-1)
    b_enc = torch.zeros(D_SAE)
    b_enc[0], b_enc[1] = -1e6, 1.0
    return Dictionary(
        kind="relu",
        d_in=D,
        d_sae=D_SAE,
        W_enc=W_dec.T.contiguous() * 0.3,
        b_enc=b_enc,
        W_dec=W_dec,
        b_dec=torch.zeros(D),
        hook_name=HOOK,
        model_name="tiny",
        conventions=Conventions(True, 8),
    )


def by_hand(model, dictionary, contexts):
    """Everything of the sample in one array, one token after another."""
    acts, losses = [], {"plain": [], "recon": [], "mean": [], "zero": []}
    rows = [(row, contexts.token_ids(np.array([row]))[0]) for row in range(len(contexts.lengths))]
    acts = torch.cat([model.W_E[ids[1 : contexts.lengths[row] + 1]] for row, ids in rows])
    mean = acts.mean(0)
    for row, ids in rows:
        for at in range(1, contexts.lengths[row]):
            resid = model.W_E[ids[at]]
            recon = dictionary.decode(dictionary.encode(resid))
            for name, edited in [("plain", resid), ("recon", recon), ("mean", mean), ("zero", resid * 0)]:
                logits = torch.tanh(edited) @ model.W_U
                losses[name].append(-float(logits.log_softmax(-1)[ids[at + 1]]))
    return acts, {name: sum(values) / len(values) for name, values in losses.items()}


def test_quality_is_that_of_the_whole_sample(dictionary):
    model, contexts = TinyModel(), ShortContexts()
    (quality,) = measure_quality(model, [dictionary], contexts, np.arange(40))
    acts, loss = by_hand(model, dictionary, contexts)
    feature_acts = dictionary.encode(acts)
    density = (feature_acts > 0).double().mean(0)
    error = ((dictionary.decode(feature_acts) - acts) ** 2).sum()
    assert (quality.hook_name, quality.tokens, quality.contexts) == (HOOK, int(contexts.lengths.sum()), 40)
    assert quality.l0 == pytest.approx(float(density.sum()))
    assert quality.fvu == pytest.approx(float(error / ((acts - acts.mean(0)) ** 2).sum()), rel=1e-5)
    assert quality.dead_fraction == float((density == 0).double().mean()) >= 1 / D_SAE
    assert quality.dense_fraction == float((density > 0.1).double().mean())
    assert quality.loss == pytest.approx(loss["plain"], rel=1e-5)
    assert quality.loss_recon == pytest.approx(loss["recon"], rel=1e-5)
    assert quality.loss_mean_ablated == pytest.approx(loss["mean"], rel=1e-5)
    assert quality.loss_zero_ablated == pytest.approx(loss["zero"], rel=1e-5)
    expected = (loss["mean"] - loss["recon"]) / (loss["mean"] - loss["plain"])
    assert quality.loss_recovered == pytest.approx(expected, rel=1e-4)


def test_several_dictionaries_are_measured_in_order_and_each_alone(dictionary):
    model, contexts = TinyModel(), ShortContexts()
    weaker = dictionary.to()
    both = measure_quality(model, [dictionary, weaker], contexts, np.arange(40), loss_contexts=20)
    (alone,) = measure_quality(model, [dictionary], contexts, np.arange(40), loss_contexts=20)
    assert both == (alone, alone)
    assert alone.loss_contexts == 20


def test_quality_is_plain_json(dictionary):
    (quality,) = measure_quality(TinyModel(), [dictionary], ShortContexts(), np.arange(10))
    assert Quality(**json.loads(json.dumps(quality.to_json()))) == quality


def test_an_empty_sample_is_an_error(dictionary):
    with pytest.raises(TrainingError, match="no held-out contexts"):
        measure_quality(TinyModel(), [dictionary], ShortContexts(), np.arange(0))
