"""Direct logit attribution: what each feature that is on at a token adds to the logits of the next, by itself.

Linear, with the final norm's scale taken as it is at that token: the residual stream is the sum of what the dictionary
explains, what it does not (its error), and what everything else writes, and each part goes through the final norm and
the unembedding by itself. Later layers read the parts too; what comes of that is in `rest`.
Source: Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"; Marks et al. 2024 for the error term.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from worker.live.dictionary import LiveDictionary
from worker.live.errors import LiveError

N_PUSHED = 8
BLOCK_BYTES = 64 * 2**20
PARTS = ("bias", "error", "rest", "constant")


class Pushed(NamedTuple):
    """A token, and what a part adds to its logit beyond what it adds to the mean of all logits."""

    token_id: int
    amount: float


@dataclass(frozen=True, slots=True, eq=False)
class Contribution:
    """What one part adds to the logits.

    on_targets: to those of the targets. mean: to the mean over the vocabulary, which changes no probability.
    up, down: the tokens it pushes most, by what it adds beyond that mean.
    """

    on_targets: tuple[float, ...]
    mean: float
    up: tuple[Pushed, ...]
    down: tuple[Pushed, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """targets: token ids. logits, log_probabilities: of them, as the model has them. mean_logit: over the vocabulary.

    features: (feature, activation, contribution) of those that are on, those that spread the logits most first; others:
    of the features beyond the limit, together, and how many. parts: `bias`, the decoder's; `error`, what the dictionary
    does not explain at the hook; `rest`, everything else that is written to the stream; `constant`, the biases of final
    norm and unembedding. Contributions of features, others and parts sum to the logits, but for `gap`, the greatest
    difference over the vocabulary, which is more than rounding where the model changes its logits once more at the end.
    """

    targets: tuple[int, ...]
    logits: tuple[float, ...]
    log_probabilities: tuple[float, ...]
    mean_logit: float
    features: tuple[tuple[int, float, Contribution], ...]
    others: Contribution | None
    n_others: int
    parts: dict[str, Contribution]
    gap: float


def attribute(
    dictionary: LiveDictionary,
    token_ids: Int64[np.ndarray, " token"],
    *,
    position: int,
    targets: Sequence[int],
    most_features: int,
    n_likeliest: int = 10,
) -> Attribution:
    """The attribution of the logits after the token at `position`.

    targets: tokens to tell of beside the likeliest.
    Raises LiveError where no fixed matrix takes the hook to the residual stream, and at a token that the dictionary
    leaves out.
    """
    path = dictionary.model.path_to_logits(dictionary.hook_name)
    _check(dictionary, token_ids, position, path)
    found = dictionary.model.last_pass(torch.from_numpy(token_ids[None]), dictionary.hook_name)
    streams = _Streams.of(dictionary, found, position, path)
    logits = found.logits[0, position]
    named = tuple(dict.fromkeys([*targets, *torch.topk(logits, min(n_likeliest, len(logits))).indices.tolist()]))
    return _told(streams, _Readout(path, found, position), logits, targets=named, most_features=most_features)


def _check(dictionary: LiveDictionary, token_ids: Int64[np.ndarray, " token"], position: int, path: Any) -> None:
    if path is None:
        raise LiveError(
            f"Hook {dictionary.hook_name!r} is before a nonlinearity, so that no fixed matrix takes its features to "
            "the logits; direct attribution is for dictionaries on the residual stream, or on what is written to it."
        )
    if not 0 <= position < len(token_ids):
        raise LiveError(f"The text has tokens 0 to {len(token_ids) - 1}; there is no token {position}.")
    if not dictionary.kept(token_ids)[position]:
        raise LiveError(
            f"Token {position} is one that this dictionary leaves out, as the first of a context and special tokens "
            "are; choose another."
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Streams:
    """The residual stream at one token as the final norm reads it, taken apart; the parts sum to it."""

    features: tuple[int, ...]
    activations: tuple[float, ...]
    of_features: Float[Tensor, "feature d_model"]
    bias: Float[Tensor, " d_model"]
    error: Float[Tensor, " d_model"]
    rest: Float[Tensor, " d_model"]

    @classmethod
    def of(cls, dictionary: LiveDictionary, found: Any, position: int, path: Any) -> "_Streams":
        acts = found.acts[0, position]
        fired = dictionary.encoder.fire(found.acts[0, position : position + 1])
        features = tuple(fired.features.tolist())
        values = torch.from_numpy(fired.activations).to(acts.device)
        written = values[:, None] * dictionary.decoder.directions(features)
        bias = dictionary.decoder.b_dec

        def to_stream(vectors: Float[Tensor, "... d_hook"]) -> Float[Tensor, "... d_model"]:
            return vectors if path.to_residual is None else vectors @ path.to_residual

        return cls(
            features=features,
            activations=tuple(fired.activations.tolist()),
            of_features=to_stream(written),
            bias=to_stream(bias),
            error=to_stream(acts - written.sum(0) - bias),
            rest=found.resid[0, position] - to_stream(acts),
        )


class _Readout:
    """From the residual stream to the logits at one token, the final norm's scale as it is there."""

    def __init__(self, path: Any, found: Any, position: int) -> None:
        self._path = path
        gain = path.final_norm_scale
        self._gain = torch.ones_like(found.resid[0, 0]) if gain is None else gain
        whole = self._centred(found.resid[0, position]) * self._gain
        normed = found.normed[0, position] - path.final_norm_bias
        # The norm divides by one number, which is found from what it made rather than from its own rule.
        self._scale = (whole @ normed) / (whole @ whole) if gain is not None else torch.ones(())

    @property
    def d_vocab(self) -> int:
        return self._path.W_U.shape[1]

    def logits(self, streams: Float[Tensor, "*part d_model"]) -> Float[Tensor, "*part d_vocab"]:
        """What each part adds."""
        return (self._centred(streams) * self._gain * self._scale.to(streams.device)) @ self._path.W_U

    @property
    def constant(self) -> Float[Tensor, " d_vocab"]:
        """What is added whatever the stream holds."""
        return self._path.final_norm_bias @ self._path.W_U + self._path.b_U

    def _centred(self, streams: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_model"]:
        return streams - streams.mean(-1, keepdim=True) if self._path.final_norm_centres else streams


def _told(
    streams: _Streams,
    readout: _Readout,
    logits: Float[Tensor, " d_vocab"],
    *,
    targets: tuple[int, ...],
    most_features: int,
) -> Attribution:
    rows = streams.of_features
    order = torch.argsort(_spreads(rows, readout), descending=True, stable=True).tolist()
    shown, hidden = order[:most_features], order[most_features:]
    others = readout.logits(torch.stack([streams.bias, streams.error, streams.rest]))
    parts = dict(zip(PARTS, [*others, readout.constant], strict=True))
    total = readout.logits(rows.sum(0)) + torch.stack(list(parts.values())).sum(0)
    return Attribution(
        targets=targets,
        logits=tuple(logits[list(targets)].tolist()),
        log_probabilities=tuple(logits.log_softmax(-1)[list(targets)].tolist()),
        mean_logit=float(logits.mean()),
        features=tuple(
            (streams.features[at], streams.activations[at], _contribution(readout.logits(rows[at]), targets))
            for at in shown
        ),
        others=_contribution(readout.logits(rows[hidden].sum(0)), targets) if hidden else None,
        n_others=len(hidden),
        parts={name: _contribution(row, targets) for name, row in parts.items()},
        gap=float((total - logits).abs().max()),
    )


def _spreads(rows: Float[Tensor, "feature d_model"], readout: _Readout) -> Float[Tensor, " feature"]:
    """How far each row spreads the logits about their mean, a block of features at a time: thousands may be on."""
    block = max(1, BLOCK_BYTES // (4 * readout.d_vocab))
    found = [torch.empty(0, device=rows.device)]
    for start in range(0, len(rows), block):
        added = readout.logits(rows[start : start + block])
        found.append((added - added.mean(-1, keepdim=True)).norm(dim=-1))
    return torch.cat(found)


def _contribution(row: Float[Tensor, " d_vocab"], targets: Sequence[int]) -> Contribution:
    mean = row.mean()
    beyond = row - mean
    n = min(N_PUSHED, len(row))
    up, down = torch.topk(beyond, n), torch.topk(beyond, n, largest=False)
    return Contribution(
        on_targets=tuple(row[list(targets)].tolist()),
        mean=float(mean),
        up=tuple(map(Pushed, up.indices.tolist(), up.values.tolist())),
        down=tuple(map(Pushed, down.indices.tolist(), down.values.tolist())),
    )
