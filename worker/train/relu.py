"""Trains a ReLU dictionary with an L1 term weighted by decoder norms.

Source: Anthropic, "Circuits Updates", April 2024, "Update on how we train SAEs".
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from worker.sae.folding import RawWeights
from worker.sae.losses import decoder_weighted_l1, squared_error
from worker.train.config import DictionaryConfig
from worker.train.schedule import learning_rate_factor, ramp
from worker.train.step import (
    MEDIAN_TOKENS,
    Moment,
    StepMetrics,
    TokensSinceFired,
    adam_state,
    geometric_median,
    load_parameters,
    total_variance,
    unit_rows,
)

INITIAL_DECODER_NORM = 0.1


class ReluTrainer:
    """f = relu(x W_enc + b_enc); recon = f W_dec + b_dec; decoder rows of any norm.

    Loss: squared error plus l1_coefficient, warmed up, times the sum of f_i |W_dec,i|. x is the activation times a
    scale at which its mean distance from the geometric median is sqrt(d_in), folded away in `weights`; b_dec starts
    at that median, and b_enc where the median gives pre-activations of 0. (The source scales the norm itself and
    starts biases at 0, which is the same where the median is small, and slow where it is not.) Gradients are clipped
    to norm `clip`. W_enc is kept by rows of features, (d_sae, d_in).
    """

    def __init__(
        self,
        config: DictionaryConfig,
        pilot: Float[Tensor, "token d_in"],
        *,
        seed: int,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        self.config = config
        self.d_in = pilot.shape[1]
        variance = total_variance(pilot)
        median = geometric_median(pilot[:MEDIAN_TOKENS].float())
        self.scale = self.d_in**0.5 / float((pilot - median).double().norm(dim=-1).mean())
        self.variance = variance * self.scale**2
        rows = unit_rows(config.d_sae, self.d_in, seed=seed, device=pilot.device) * INITIAL_DECODER_NORM
        self.W_dec = rows.clone().requires_grad_()
        self.W_enc = rows.clone().requires_grad_()
        self.b_enc = (-self.scale * (rows @ median)).requires_grad_()
        self.b_dec = (self.scale * median).requires_grad_()
        self.since_fired = TokensSinceFired(config.d_sae, pilot.device)
        self._adam = torch.optim.Adam(list(self._parameters().values()), lr=config.lr, betas=betas, fused=True)

    def step(self, acts: Float[Tensor, "token d_in"], moment: Moment) -> StepMetrics:
        """One step of Adam on a batch of activations in the units of the hook."""
        x = acts.float() * self.scale
        config = self.config
        feature_acts = torch.relu(torch.addmm(self.b_enc, x, self.W_enc.T))
        error = squared_error(x, torch.addmm(self.b_dec, feature_acts, self.W_dec))
        sparsity = decoder_weighted_l1(feature_acts, self.W_dec)
        loss = error + config.l1_coefficient * ramp(moment.done, config.l1_warmup) * sparsity
        self._adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters().values(), config.clip)
        for group in self._adam.param_groups:
            group["lr"] = config.lr * learning_rate_factor(
                moment.step, moment.n_steps, warmup=config.lr_warmup, decay=config.lr_decay
            )
        self._adam.step()
        return self._metrics(feature_acts.detach(), float(error.detach()), float(loss.detach()))

    def weights(self) -> RawWeights:
        """What has been learnt so far, reading activations in the units of the hook, with unit decoder rows."""
        raw = RawWeights(
            W_enc=self.W_enc.detach().T.contiguous(),
            b_enc=self.b_enc.detach().clone(),
            W_dec=self.W_dec.detach().clone(),
            b_dec=self.b_dec.detach().clone(),
        )
        return raw.with_input_scale(self.scale).with_unit_decoder()

    def state(self) -> dict[str, Tensor]:
        """Parameters, Adam's moments, how long each feature has been silent, and the scale."""
        extra = {
            "silent": self.since_fired.silent,
            "scale": torch.tensor([self.scale, self.variance], dtype=torch.float64),
        }
        parameters = {name: parameter.detach() for name, parameter in self._parameters().items()}
        return {**parameters, **adam_state(self._adam, self._parameters()), **extra}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Raises TrainingError where the state belongs to another configuration."""
        load_parameters(self._adam, self._parameters(), state)
        self.since_fired.silent = state["silent"].to(self.b_enc.device)
        self.scale, self.variance = state["scale"].tolist()

    def _parameters(self) -> dict[str, Tensor]:
        return {"W_enc": self.W_enc, "b_enc": self.b_enc, "W_dec": self.W_dec, "b_dec": self.b_dec}

    def _metrics(self, feature_acts: Tensor, error: float, loss: float) -> StepMetrics:
        fires = feature_acts > 0
        self.since_fired.update(fires.any(0), len(feature_acts))
        dead = len(self.since_fired.dead(self.config.dead_after_tokens))
        return StepMetrics(
            loss=loss,
            fvu=error / self.variance,
            l0=float(fires.sum()) / len(feature_acts),
            dead_fraction=dead / self.config.d_sae,
        )
