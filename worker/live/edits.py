"""Changes of features at the hooks of a model while it runs: x + (v - f) d, and nothing of the rest of x is touched.

x is what the hook holds, f the feature's activation there, v what it shall be, d its decoder direction. What the
dictionary does not explain of x, its error, stays in x.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from worker.live.dictionary import EditHook, LiveDictionary

Mode = Literal["add", "set", "remove"]
TokenRows = Int64[np.ndarray, "context token"]


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """add: v is f + value. set: v is value, whether the feature fires or not. remove: v is 0, where it fires.

    value: in the dictionary's own units.
    """

    dictionary: LiveDictionary
    feature: int
    mode: Mode
    value: float = 0.0


class Steering:
    """The edits of each context of a batch; a context without any runs as it is.

    Edits at one hook all read x as it comes to that hook, so that their order does not matter; those at deeper hooks
    read what came of the others. Tokens that the dictionary leaves out are not touched: the first of a context, BOS or
    not, and special and excluded ones.
    """

    def __init__(self, edits: Sequence[Sequence[Edit]]) -> None:
        self._writers = _writers(edits)

    def at(self, token_ids: TokenRows, *, start: int = 0) -> Mapping[str, EditHook]:
        """What to do at each hook in a pass over the tokens from `start` on. token_ids: of the contexts from 0 on."""
        by_hook: dict[str, list[_Writer]] = {}
        for writer in self._writers:
            by_hook.setdefault(writer.dictionary.hook_name, []).append(writer)
        return {hook: _edited_by(writers, token_ids, start) for hook, writers in by_hook.items()}


@dataclass(frozen=True, slots=True, eq=False)
class _Writer:
    """The edits with one dictionary. contexts: those edited, by number.

    from_f, to: of each context and feature; the feature's change is to + from_f f, so that 0 and a number add it,
    -1 and a number set it, and -1 and 0 remove it.
    """

    dictionary: LiveDictionary
    contexts: tuple[int, ...]
    features: tuple[int, ...]
    from_f: Float[Tensor, "edited feature"]
    to: Float[Tensor, "edited feature"]
    directions: Float[Tensor, "feature d_in"]

    def change(self, acts: Float[Tensor, "context token d_in"], keep: Float[Tensor, "context token"]) -> Tensor:
        """What is added to the contexts edited, float32. keep: 1 for tokens that may be touched, else 0."""
        mine = acts[list(self.contexts)]
        f = self.dictionary.encoder.acts_of(mine.flatten(0, 1), self.features).unflatten(0, mine.shape[:2])
        moved = (self.to[:, None, :] + self.from_f[:, None, :] * f) * keep[list(self.contexts), :, None]
        return moved @ self.directions


def _writers(edits: Sequence[Sequence[Edit]]) -> list[_Writer]:
    dictionaries = dict.fromkeys(edit.dictionary for row in edits for edit in row)
    return [_writer(each, edits) for each in dictionaries]


def _writer(dictionary: LiveDictionary, edits: Sequence[Sequence[Edit]]) -> _Writer:
    mine = [[edit for edit in row if edit.dictionary is dictionary] for row in edits]
    contexts = tuple(number for number, row in enumerate(mine) if row)
    features = tuple(sorted({edit.feature for row in mine for edit in row}))
    from_f, to = (torch.zeros(len(contexts), len(features)) for _ in range(2))
    for place, number in enumerate(contexts):
        for edit in mine[number]:
            at = features.index(edit.feature)
            from_f[place, at] = 0.0 if edit.mode == "add" else -1.0
            to[place, at] = 0.0 if edit.mode == "remove" else edit.value
    decoder = dictionary.decoder
    device = decoder.device
    return _Writer(dictionary, contexts, features, from_f.to(device), to.to(device), decoder.directions(features))


def _edited_by(writers: Sequence[_Writer], token_ids: TokenRows, start: int) -> EditHook:
    keeps = [np.stack([each.dictionary.kept(row) for row in token_ids])[:, start:] for each in writers]

    def edit(acts: Float[Tensor, "context token d_in"]) -> Float[Tensor, "context token d_in"]:
        assert acts.shape[:2] == keeps[0].shape, f"the hook holds {tuple(acts.shape)}, the pass is {keeps[0].shape}"
        edited = acts.float().clone()
        for writer, keep in zip(writers, keeps, strict=True):
            kept = torch.from_numpy(keep).to(acts.device, torch.float32)
            edited[list(writer.contexts)] += writer.change(acts, kept)
        return edited.to(acts.dtype)

    return edit
