"""Contexts that grow by a token at a time, read on from what was kept of the tokens before where the model can."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from worker.live.dictionary import LiveModel
from worker.live.edits import Steering


class Continuation:
    """A batch of contexts of like length under edits.

    An edit depends on its own token alone, so that keys and values kept under the same edits stay right. Where a pass
    fails, everything kept is dropped and the next pass reads all tokens again.
    """

    def __init__(self, model: LiveModel, token_ids: Int64[np.ndarray, "context token"], steering: Steering) -> None:
        self._model = model
        self._steering = steering
        self._token_ids = token_ids
        self._kept: Any = None
        self._n_read = 0

    @property
    def length(self) -> int:
        """Tokens of a context so far."""
        return self._token_ids.shape[1]

    def next_logits(self) -> Float[Tensor, "context d_vocab"]:
        """The logits after the last token of each context, float32; reads what has not been read."""
        start, kept = (self._n_read, self._kept) if self._model.reads_on else (0, None)
        self._n_read, self._kept = 0, None
        edit = self._steering.at(self._token_ids, start=start)
        unread = torch.from_numpy(self._token_ids[:, start:])
        if not self._model.reads_on:
            return self._model.logits(unread, edit=edit)[:, -1].float()
        logits, self._kept = self._model.read_on(unread, kept, edit=edit)
        self._n_read = self.length
        return logits

    def append(self, token_ids: Sequence[int]) -> None:
        """One more token for each context."""
        column = np.asarray(token_ids, dtype=np.int64)[:, None]
        self._token_ids = np.concatenate([self._token_ids, column], axis=1)
