"""The TopK trainer: hand-made gradients against autograd, and what a step keeps true."""

from dataclasses import replace

import pytest
import torch

from tests.worker.train.conftest import D_IN, HOOK
from worker.sae.losses import auxk, auxk_codes
from worker.sae.topk import keep_top_k
from worker.train.config import DictionaryConfig
from worker.train.step import Moment, TokensSinceFired, geometric_median, total_variance
from worker.train.topk import TopKTrainer

CONFIG = DictionaryConfig(HOOK, d_sae=40, k=5, k_aux=3, lr=3e-3, dead_after_tokens=500)


@pytest.fixture
def trainer(source):
    made = TopKTrainer(CONFIG, source.block(0), seed=1)
    made.b_enc.add_(torch.randn(40, generator=torch.Generator().manual_seed(8)) * 0.3)
    return made


def loss_by_autograd(trainer, x, dead):
    """The loss written as in the paper, densely; returns it with the gradients of its parameters."""
    leaves = {name: tensor.double().requires_grad_() for name, tensor in trainer._parameters().items()}
    x = x.double()
    pre = (x - leaves["b_dec"]) @ leaves["W_enc"].T + leaves["b_enc"]
    recon = keep_top_k(pre, CONFIG.k) @ leaves["W_dec"] + leaves["b_dec"]
    loss = ((recon - x) ** 2).sum(-1).mean() / D_IN
    if len(dead):
        aux_recon = auxk_codes(pre, dead, CONFIG.k_aux) @ leaves["W_dec"][dead]
        loss = loss + CONFIG.auxk_coefficient * auxk((x - recon).detach(), aux_recon)
    loss.backward()
    return float(loss.detach()), {name: leaf.grad for name, leaf in leaves.items()}


@pytest.mark.parametrize("dead", [[], [3], [0, 7, 11, 12, 30, 39]])
def test_sparse_gradients_are_those_of_autograd(dead, trainer, source):
    dead = torch.tensor(dead, dtype=torch.int64)
    x = source.block(1) * trainer.scale
    gradients, metrics, _ = trainer.gradients(x, CONFIG.k, dead)
    loss, expected = loss_by_autograd(trainer, x, dead)
    assert metrics.loss == pytest.approx(loss, rel=1e-5)
    for name, gradient in expected.items():
        assert torch.allclose(getattr(gradients, name).double(), gradient, atol=1e-6, rtol=1e-5), name


def test_a_step_moves_parameters_as_adam_does_and_leaves_decoder_rows_at_norm_1(trainer, source):
    x = source.block(1) * trainer.scale
    before = {name: tensor.clone() for name, tensor in trainer._parameters().items()}
    gradients, _, _ = trainer.gradients(x, CONFIG.k, torch.tensor([], dtype=torch.int64))
    along = (gradients.W_dec * before["W_dec"]).sum(-1, keepdim=True) * before["W_dec"]
    trainer.step(source.block(1), Moment(step=50, n_steps=100))
    for name in ("W_enc", "b_enc", "b_dec"):
        gradient = getattr(gradients, name)
        expected = before[name] - CONFIG.lr * gradient / (gradient.abs() + 1e-8)
        assert torch.allclose(getattr(trainer, name), expected, atol=1e-6), name
    projected = gradients.W_dec - along
    moved = before["W_dec"] - CONFIG.lr * projected / (projected.abs() + 1e-8)
    assert torch.allclose(trainer.W_dec, moved / moved.norm(dim=-1, keepdim=True), atol=1e-5)
    assert torch.allclose(trainer.W_dec.norm(dim=-1), torch.ones(40), atol=1e-6)


def test_metrics_are_those_of_the_dictionary_as_it_was(trainer, source):
    acts = source.block(1)
    raw = trainer.weights()
    feature_acts = keep_top_k(acts @ raw.W_enc + raw.b_enc, CONFIG.k)
    error = feature_acts @ raw.W_dec + raw.b_dec - acts
    metrics = trainer.step(acts, Moment(0, 10))
    assert metrics.l0 == pytest.approx(float((feature_acts > 0).sum(-1).float().mean()))
    expected = float((error**2).sum(-1).mean()) / total_variance(source.block(0))
    assert metrics.fvu == pytest.approx(expected, rel=1e-4)


def test_weights_do_not_depend_on_the_units_of_the_activations(source):
    plain = TopKTrainer(CONFIG, source.block(0), seed=1)
    scaled = TopKTrainer(CONFIG, source.block(0) * 64, seed=1)
    for number in range(5):
        plain.step(source.block(number), Moment(number, 10))
        scaled.step(source.block(number) * 64, Moment(number, 10))
    ours, theirs = plain.weights(), scaled.weights()
    assert torch.allclose(ours.W_dec, theirs.W_dec, atol=1e-4)
    assert torch.allclose(ours.W_enc, theirs.W_enc, atol=1e-3)
    assert torch.allclose(ours.b_dec * 64, theirs.b_dec, rtol=1e-3)


def train(config, source, steps=400, seed=0):
    trainer = TopKTrainer(config, source.block(0), seed=seed)
    metrics = [trainer.step(source.block(number), Moment(number, steps)) for number in range(steps)]
    return trainer, metrics


def test_training_finds_the_directions_that_made_the_activations(source):
    trainer, metrics = train(replace(CONFIG, d_sae=64), source)
    similarity = (source.directions @ trainer.W_dec.T).amax(-1)
    assert float((similarity > 0.9).float().mean()) > 0.8
    assert metrics[-1].fvu < 0.1 < metrics[0].fvu


def test_auxk_revives_features_that_would_stay_dead(source):
    config = replace(CONFIG, d_sae=64, dead_after_tokens=3000)
    dead = {}
    for coefficient in (0.0, 1 / 4):
        trainer = TopKTrainer(replace(config, auxk_coefficient=coefficient), source.block(0), seed=0)
        trainer.W_enc[:30] *= 0.05
        for number in range(150):
            metrics = trainer.step(source.block(number), Moment(number, 150))
        dead[coefficient] = metrics.dead_fraction
    assert dead[0.0] >= 30 / 64
    assert dead[1 / 4] < dead[0.0] * 0.6


def test_k_falls_from_its_start(source):
    trainer = TopKTrainer(replace(CONFIG, k_start=20, k_warmdown=0.5), source.block(0), seed=1)
    first = trainer.step(source.block(1), Moment(0, 10))
    later = trainer.step(source.block(1), Moment(9, 10))
    assert first.l0 > 10
    assert later.l0 <= 5


def test_tokens_since_fired_are_counted_by_batch():
    since = TokensSinceFired(3, torch.device("cpu"))
    since.update(torch.tensor([True, False, False]), 10)
    since.update(torch.tensor([True, True, False]), 5)
    assert since.silent.tolist() == [0, 0, 15]
    assert since.dead(15).tolist() == [2]
    assert since.dead(16).tolist() == []


def test_the_geometric_median_is_not_moved_by_one_far_point():
    points = torch.cat([torch.randn(99, 3, generator=torch.Generator().manual_seed(0)), torch.full((1, 3), 1e4)])
    median = geometric_median(points)
    assert float(median.norm()) < 0.5 < float(points.mean(0).norm())


def test_the_geometric_median_of_a_line_is_its_median():
    points = torch.tensor([[0.0], [1.0], [2.0], [10.0], [50.0]])
    assert float(geometric_median(points)) == pytest.approx(2.0, abs=1e-2)
