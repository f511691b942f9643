"""Runs a training step on several cores with one thread each, meeting once a step.

Many small parallel regions lose most of their time when something else wants a
core too; whole shards of a batch do not.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor
from torch.nn import Parameter
from transformers import PreTrainedModel


class Shards:
    """Threads of one core each, that share a model and split batches and optimizers.

    loss_of: the mean loss of a model on a batch of contexts.
    threads: how many; each works in pieces of at most `rows` contexts, which keeps
    the activations in its cache.
    """

    def __init__(self, loss_of: Callable[[PreTrainedModel, Tensor], Tensor], *, threads: int, rows: int) -> None:
        self._loss_of = loss_of
        self._threads = threads
        self._rows = rows
        self._pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))

    def backward(self, model: PreTrainedModel, ids: Tensor) -> float:
        """Sets the gradients of the batch's mean loss, and returns that loss."""
        parameters = list(model.parameters())
        pieces = ids.split(self._rows)
        shards = [pieces[first :: self._threads] for first in range(self._threads)]
        loss = 0.0
        for part, gradients in self._pool.map(
            lambda shard: self._gradients(model, parameters, shard, len(ids)), shards
        ):
            loss += part
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
        return loss

    def step(self, optimizers: list[torch.optim.Optimizer]) -> None:
        """Steps the optimizers side by side, and clears their gradients."""
        list(self._pool.map(_stepped, optimizers))

    def _gradients(
        self, model: PreTrainedModel, parameters: list[Parameter], shard: tuple[Tensor, ...], rows: int
    ) -> tuple[float, list[Tensor]]:
        loss, total = 0.0, [torch.zeros_like(parameter) for parameter in parameters]
        for piece in shard:
            part = self._loss_of(model, piece) * (len(piece) / rows)
            for summed, gradient in zip(total, torch.autograd.grad(part, parameters), strict=True):
                summed += gradient
            loss += part.item()
        return loss, total


def _stepped(optimizer: torch.optim.Optimizer) -> None:
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
