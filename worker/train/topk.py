"""Trains a TopK dictionary with AuxK, by hand-made sparse gradients: only features that fire are touched.

Source: Gao et al. 2024, "Scaling and evaluating sparse autoencoders", arXiv 2406.04093.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from worker.sae.folding import RawWeights
from worker.sae.losses import auxk_codes
from worker.train.config import DictionaryConfig
from worker.train.schedule import k_at, learning_rate_factor
from worker.train.sparse import decode, dots, feature_sums, largest, row_sums
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


@dataclass(frozen=True, slots=True)
class Gradients:
    """Of the loss with respect to each parameter; W_enc by rows of features, as the trainer keeps it."""

    W_enc: Float[Tensor, "d_sae d_in"]
    b_enc: Float[Tensor, " d_sae"]
    W_dec: Float[Tensor, "d_sae d_in"]
    b_dec: Float[Tensor, " d_in"]


class TopKTrainer:
    """f = the k largest of relu((x - b_dec) W_enc + b_enc); recon = f W_dec + b_dec; decoder rows of norm 1.

    Loss: squared error over the variance, plus auxk_coefficient times how badly the k_aux strongest dead features
    explain the error. x is the activation times a scale at which its variance is 1 a dimension, folded away in
    `weights`. b_dec starts at the geometric median, W_enc at W_dec times the factor that reconstructs best.
    W_enc is kept by rows of features, (d_sae, d_in), so that a feature's weights lie together.
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
        self.scale = (self.d_in / total_variance(pilot)) ** 0.5
        scaled = pilot.float() * self.scale
        self.b_dec = geometric_median(scaled[:MEDIAN_TOKENS])
        self.W_dec = unit_rows(config.d_sae, self.d_in, seed=seed, device=pilot.device)
        self.b_enc = torch.zeros(config.d_sae, device=pilot.device)
        centred = scaled[:MEDIAN_TOKENS] - self.b_dec
        self.W_enc = self.W_dec * _best_factor(centred, self.W_dec, config.k)
        self.since_fired = TokensSinceFired(config.d_sae, pilot.device)
        self._adam = torch.optim.Adam(list(self._parameters().values()), lr=config.lr, betas=betas, fused=True)

    def step(self, acts: Float[Tensor, "token d_in"], moment: Moment) -> StepMetrics:
        """One step of Adam on a batch of activations in the units of the hook."""
        x = acts.float() * self.scale
        config = self.config
        k = k_at(moment.done, k=config.k, k_start=config.k_start, warmdown=config.k_warmdown)
        dead = self.since_fired.dead(config.dead_after_tokens)
        gradients, metrics, fired = self.gradients(x, k, dead)
        self.since_fired.update(fired, len(x))
        self._apply(
            gradients, learning_rate_factor(moment.step, moment.n_steps, warmup=config.lr_warmup, decay=config.lr_decay)
        )
        return metrics

    def gradients(
        self, x: Float[Tensor, "token d_in"], k: int, dead: Int[Tensor, " n_dead"]
    ) -> tuple[Gradients, StepMetrics, Tensor]:
        """Gradients of the loss on scaled activations, the batch's metrics, and which features fired."""
        centred = x - self.b_dec
        pre_acts = torch.addmm(self.b_enc, centred, self.W_enc.T)
        indices, values = largest(pre_acts, k)
        residual = centred - decode(indices, values, self.W_dec)
        to_recon = residual * (-2 / (len(x) * self.d_in))
        to_codes = dots(indices, to_recon, self.W_dec) * (values > 0)
        to_b_enc = feature_sums(indices, to_codes, self.config.d_sae)
        to_W_enc = row_sums(indices, to_codes, centred, self.config.d_sae)
        to_W_dec = row_sums(indices, values, to_recon, self.config.d_sae)
        fvu = float((residual**2).sum()) / (len(x) * self.d_in)
        loss = fvu
        if len(dead) and self.config.auxk_coefficient:
            loss += self._add_auxk(
                Gradients(to_W_enc, to_b_enc, to_W_dec, to_recon.sum(0)), centred, residual, pre_acts, dead=dead
            )
        to_b_dec = to_recon.sum(0) - to_b_enc @ self.W_enc
        fired = feature_sums(indices, (values > 0).float(), self.config.d_sae) > 0
        l0 = float((values > 0).sum()) / len(x)
        metrics = StepMetrics(loss, fvu, l0, len(dead) / self.config.d_sae)
        return Gradients(to_W_enc, to_b_enc, to_W_dec, to_b_dec), metrics, fired

    def weights(self) -> RawWeights:
        """What has been learnt so far, reading activations in the units of the hook."""
        raw = RawWeights(self.W_enc.T.contiguous(), self.b_enc.clone(), self.W_dec.clone(), self.b_dec.clone())
        return _in_hook_units(raw.with_centred_input(), self.scale)

    def state(self) -> dict[str, Tensor]:
        """Parameters, Adam's moments, how long each feature has been silent, and the scale."""
        extra = {"silent": self.since_fired.silent, "scale": torch.tensor(self.scale, dtype=torch.float64)}
        return {**self._parameters(), **adam_state(self._adam, self._parameters()), **extra}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Raises TrainingError where the state belongs to another configuration."""
        load_parameters(self._adam, self._parameters(), state)
        self.since_fired.silent = state["silent"].to(self.b_enc.device)
        self.scale = float(state["scale"])

    def _parameters(self) -> dict[str, Tensor]:
        return {"W_enc": self.W_enc, "b_enc": self.b_enc, "W_dec": self.W_dec, "b_dec": self.b_dec}

    def _add_auxk(
        self, gradients: Gradients, centred: Tensor, residual: Tensor, pre_acts: Tensor, *, dead: Tensor
    ) -> float:
        """Adds the gradients of the auxiliary loss in place, and returns its value."""
        k_aux = min(self.config.k_aux or max(1, self.d_in // 2), len(dead))
        codes = auxk_codes(pre_acts, dead, k_aux)
        spread = float(((residual - residual.mean(0)) ** 2).sum())
        if spread == 0:
            return 0.0
        error = codes @ self.W_dec[dead] - residual
        coefficient = self.config.auxk_coefficient / spread
        to_aux = error * (2 * coefficient)
        to_codes = (to_aux @ self.W_dec[dead].T) * (codes > 0)
        gradients.W_dec.index_add_(0, dead, codes.T @ to_aux)
        gradients.W_enc.index_add_(0, dead, to_codes.T @ centred)
        gradients.b_enc.index_add_(0, dead, to_codes.sum(0))
        return coefficient * float((error**2).sum())

    def _apply(self, gradients: Gradients, lr_factor: float) -> None:
        """The part of the decoder's gradient along its rows is taken out, for it would only change their norm."""
        along = (gradients.W_dec * self.W_dec).sum(-1, keepdim=True)
        gradients.W_dec.sub_(along * self.W_dec)
        for name, parameter in self._parameters().items():
            parameter.grad = getattr(gradients, name)
        for group in self._adam.param_groups:
            group["lr"] = self.config.lr * lr_factor
        self._adam.step()
        self.W_dec.div_(self.W_dec.norm(dim=-1, keepdim=True))


def _best_factor(centred: Tensor, W_dec: Tensor, k: int) -> float:
    """Factor on an encoder that is the decoder's transpose at which reconstructions have the right size."""
    indices, values = largest(centred @ W_dec.T, k)
    recon = decode(indices, values, W_dec)
    size = float((recon**2).sum())
    return float((recon * centred).sum()) / size if size > 0 else 1.0


def _in_hook_units(raw: RawWeights, scale: float) -> RawWeights:
    """Weights for scale * acts turned into weights for acts whose decoder rows keep their norm.

    Activations come out divided by `scale`, which is one factor for all features and so leaves their order alone.
    """
    return RawWeights(
        W_enc=raw.W_enc, b_enc=raw.b_enc / scale, W_dec=raw.W_dec, b_dec=raw.b_dec / scale, threshold=raw.threshold
    )
