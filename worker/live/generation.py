"""Text written on from a prompt twice, token by token: as the model is, and with features changed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from worker.live.continuation import Continuation
from worker.live.dictionary import LiveModel
from worker.live.edits import Edit, Steering
from worker.live.errors import LiveError
from worker.live.sampling import Sampling, choose

Event = Mapping[str, Any]
SIDES = ("without", "with")
N_LIKELIEST, N_CHANGED = 20, 10


class Generation:
    """Both texts go through the model together, a token of each at a step; edits touch the second.

    tell: is given events as plain JSON values, from the thread that takes the steps: `next` once, with the
    distributions after the prompt, which both share; `token` for each step; `end`. Probabilities are the model's own,
    before temperature and the rest, as natural logarithms.
    n_tokens: to write at most; a text ends before at the tokenizer's end token, both at the model's n_ctx.
    """

    def __init__(
        self,
        model: LiveModel,
        prompt: Int64[np.ndarray, " token"],
        edits: Sequence[Edit],
        *,
        sampling: Sampling,
        n_tokens: int,
        tell: Callable[[Event], None],
    ) -> None:
        self._texts = Continuation(model, np.stack([prompt, prompt]), Steering([[], edits]))
        self._sampling = sampling
        self._tell = tell
        self._longest = min(n_tokens, model.n_ctx - len(prompt))
        self._cut_by_model = self._longest < n_tokens
        self._end_id = model.tokenizer.eos_id
        self._written = 0
        self._ended: dict[str, str] = {}

    def step(self) -> bool:
        """One token of each text. Returns whether there is more to write."""
        logits = self._texts.next_logits()
        log_probabilities = logits.log_softmax(-1)
        if bool(log_probabilities.isnan().any()):
            raise _beyond_numbers()
        chosen = choose(logits, self._sampling, step=self._written)
        if self._written == 0:
            self._tell({"event": "next", **compared(log_probabilities)})
        self._texts.append(chosen)
        self._written += 1
        self._tell({"event": "token", "step": self._written - 1, **self._sides(chosen, log_probabilities)})
        self._end_where_due(chosen)
        if len(self._ended) < len(SIDES):
            return True
        self._tell({"event": "end", "reasons": self._ended})
        return False

    def _sides(self, chosen: Sequence[int], log_probabilities: Float[Tensor, "text d_vocab"]) -> dict[str, Any]:
        """What each text that goes on got; None for one that has ended."""
        return {
            side: None if side in self._ended else {"id": token, "log_probability": float(row[token])}
            for side, token, row in zip(SIDES, chosen, log_probabilities, strict=True)
        }

    def _end_where_due(self, chosen: Sequence[int]) -> None:
        for side, token in zip(SIDES, chosen, strict=True):
            if token == self._end_id:
                self._ended.setdefault(side, "end_token")
            elif self._written >= self._longest:
                self._ended.setdefault(side, "n_ctx" if self._cut_by_model else "new_tokens")


def _beyond_numbers() -> LiveError:
    return LiveError(
        "With these changes activations grow beyond what the model's numbers can hold, so no token can be chosen.",
        code="not_finite",
        hint="Use smaller values.",
    )


def compared(log_probabilities: Float[Tensor, "2 d_vocab"]) -> dict[str, Any]:
    """The likeliest tokens of two distributions, and those whose probability grew and shrank most.

    Rows are [id, log probability in the first, in the second]. divergence: Kullback-Leibler of the second from the
    first, in nats. entropy: of each, in nats.
    """
    first, second = log_probabilities
    gain = second.exp() - first.exp()
    n, changed = min(N_LIKELIEST, len(gain)), min(N_CHANGED, len(gain))

    def rows(ids: Tensor) -> list[list[Any]]:
        return [[int(token), float(first[token]), float(second[token])] for token in ids]

    gained, lost = torch.topk(gain, changed).indices, torch.topk(gain, changed, largest=False).indices
    return {
        "likeliest": {
            side: rows(torch.topk(row, n).indices) for side, row in zip(SIDES, log_probabilities, strict=True)
        },
        "gained": rows(gained[gain[gained] > 0]),
        "lost": rows(lost[gain[lost] < 0]),
        "divergence": float((second.exp() * (second - first)).sum()),
        "entropy": {side: float(-(row.exp() * row).sum()) for side, row in zip(SIDES, log_probabilities, strict=True)},
    }
