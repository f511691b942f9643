"""What every kind of trainer shares: its shape, what a step reports, and how it is started from a pilot sample."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from worker.sae.folding import RawWeights
from worker.train.errors import TrainingError

MEDIAN_STEPS = 50
MEDIAN_TOKENS = 8192


@dataclass(frozen=True, slots=True)
class Moment:
    """Where in the run a step is taken: step number (from 0) of n_steps."""

    step: int
    n_steps: int

    @property
    def done(self) -> float:
        """Share of the run that lies behind."""
        return self.step / self.n_steps


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """Of one batch, before the step was taken. fvu: squared error over the pilot's variance a token.

    dead_fraction: share of features that have not fired for `dead_after_tokens` tokens.
    """

    loss: float
    fvu: float
    l0: float
    dead_fraction: float


@runtime_checkable
class DictionaryTrainer(Protocol):
    """Trains one dictionary; everything that changes while it does is in `state`."""

    def step(self, acts: Float[Tensor, "token d_in"], moment: Moment) -> StepMetrics: ...

    def weights(self) -> RawWeights: ...

    def state(self) -> dict[str, Tensor]: ...

    def load_state(self, state: Mapping[str, Tensor]) -> None: ...


class TokensSinceFired:
    """For how many tokens each feature has been silent."""

    def __init__(self, d_sae: int, device: torch.device) -> None:
        self.silent = torch.zeros(d_sae, dtype=torch.int64, device=device)

    def update(self, fired: Tensor, n_tokens: int) -> None:
        """fired: truth for each feature, over a batch of n_tokens."""
        self.silent = torch.where(fired, 0, self.silent + n_tokens)

    def dead(self, after_tokens: int) -> Tensor:
        """Indices of features silent for that many tokens or more, ascending."""
        return (self.silent >= after_tokens).nonzero().flatten()


def adam_state(optimizer: torch.optim.Adam, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Adam's moments and step counts by parameter name."""
    named = {}
    for name, parameter in parameters.items():
        for key, value in optimizer.state[parameter].items():
            named[f"adam.{name}.{key}"] = value
    return named


def load_parameters(optimizer: torch.optim.Adam, parameters: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Copies parameters and their moments out of a saved state.

    Raises TrainingError where the state is of another shape.
    """
    with torch.no_grad():
        for name, parameter in parameters.items():
            saved = state.get(name)
            if saved is None or saved.shape != parameter.shape:
                found = "nothing" if saved is None else tuple(saved.shape)
                raise TrainingError(
                    f"The checkpoint has {found} for {name}, the run needs {tuple(parameter.shape)}; "
                    "it belongs to another configuration."
                )
            parameter.copy_(saved)
            prefix = f"adam.{name}."
            moments = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
            if moments:
                optimizer.state[parameter] = {key: value.clone().to(parameter.device) for key, value in moments.items()}


def total_variance(acts: Float[Tensor, "token d_in"]) -> float:
    """Mean squared distance from the mean. Raises TrainingError where the activations never change."""
    exact = acts.double()
    variance = float(((exact - exact.mean(0)) ** 2).sum(-1).mean())
    if not variance > 0:
        raise TrainingError(
            "The activations of the pilot sample are all the same; there is nothing to learn from them."
        )
    return variance


def geometric_median(points: Float[Tensor, "token d_in"]) -> Float[Tensor, " d_in"]:
    """The point of least summed distance to all, found by Weiszfeld's iteration; outliers hardly move it."""
    median = points.mean(0)
    for _ in range(MEDIAN_STEPS):
        weights = 1 / (points - median).norm(dim=-1).clamp(min=1e-6)
        median = (weights @ points) / weights.sum()
    return median


def unit_rows(d_sae: int, d_in: int, *, seed: int, device: torch.device) -> Float[Tensor, "d_sae d_in"]:
    """Directions uniform on the sphere; the same on every device."""
    rows = torch.randn(d_sae, d_in, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(rows, dim=-1).to(device)
