"""How much features matter for the tokens that really come next: a text read again with each of them changed."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32, Int64

from worker.live.dictionary import LiveModel
from worker.live.edits import Edit, Steering

LOGITS_BYTES = 256 * 2**20


class Effects:
    """The log probability of each token of a text after the first, given those before it: as it is, and for each
    variant, under that variant's edits.

    A step reads as many variants as have room in a batch. found: row 0 is the text as it is, row i + 1 variant i;
    column t is of the token at place t + 1; natural logarithms.
    """

    def __init__(
        self,
        model: LiveModel,
        token_ids: Int64[np.ndarray, " token"],
        variants: Sequence[Sequence[Edit]],
        *,
        batch_tokens: int,
    ) -> None:
        assert len(token_ids) > 1, "a text of one token has no next token"
        self._model = model
        self._token_ids = token_ids
        self._variants: list[Sequence[Edit]] = [[], *variants]
        by_memory = LOGITS_BYTES // (4 * len(token_ids) * model.d_vocab)
        self._rows = max(1, min(batch_tokens // len(token_ids), by_memory))
        self._parts: list[Float32[np.ndarray, "variant following"]] = []
        self._done = 0

    @property
    def found(self) -> Float32[np.ndarray, "variant following"]:
        """What has been found so far."""
        return np.concatenate([np.empty((0, len(self._token_ids) - 1), np.float32), *self._parts])

    def step(self) -> bool:
        """The next variants. Returns whether there are more."""
        edits = self._variants[self._done : self._done + self._rows]
        token_ids = np.repeat(self._token_ids[None], len(edits), axis=0)
        logits = self._model.logits(torch.from_numpy(token_ids), edit=Steering(edits).at(token_ids))
        following = torch.from_numpy(token_ids[:, 1:]).to(logits.device)
        own = logits[:, :-1].float().log_softmax(-1).gather(-1, following[..., None])[..., 0]
        self._parts.append(own.cpu().numpy())
        self._done += len(edits)
        return self._done < len(self._variants)
