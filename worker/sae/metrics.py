"""How good a dictionary is: L0, FVU, density and dead features over a stream, and the loss it lets a model keep."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from worker.sae.dictionary import Dictionary
from worker.sae.errors import DictionaryError

Edit = Callable[[Tensor], Tensor]
_DENSE_VALUES = 2**23


@runtime_checkable
class SplicedModel(Protocol):
    """A language model whose activations can be read, and replaced on the way to its logits."""

    def activations(
        self, token_ids: Int[Tensor, "context token"], hook_names: Sequence[str]
    ) -> dict[str, Float[Tensor, "context token d"]]: ...

    def logits(
        self, token_ids: Int[Tensor, "context token"], *, edit: Mapping[str, Edit] | None = None
    ) -> Float[Tensor, "context token d_vocab"]: ...


class StreamingMetrics:
    """Sums over a stream of tokens, exact for the whole stream; `merge` joins two streams.

    FVU is global: all squared error over all squared distance from the stream's own mean, so it depends neither
    on the batches nor on the scale. The sums are float64 and the spread is kept about the running mean.
    """

    def __init__(self, d_in: int, d_sae: int) -> None:
        self.tokens = 0
        self.mean = torch.zeros(d_in, dtype=torch.float64)
        self.spread = 0.0
        self.squared_error = 0.0
        self.fired = torch.zeros(d_sae, dtype=torch.int64)

    def update(
        self,
        acts: Float[Tensor, "token d_in"],
        feature_acts: Float[Tensor, "token d_sae"],
        recon: Float[Tensor, "token d_in"],
    ) -> None:
        """Adds a batch of tokens; an empty batch changes nothing."""
        if not len(acts):
            return
        exact = acts.detach().double()
        mean = exact.mean(0)
        spread = float(((exact - mean) ** 2).sum())
        self._join(len(acts), mean.cpu(), spread)
        self.squared_error += float(((recon.detach().double() - exact) ** 2).sum())
        self.fired += (feature_acts > 0).sum(0).cpu()

    def merge(self, other: "StreamingMetrics") -> None:
        """Adds what another stream has seen."""
        if other.tokens:
            self._join(other.tokens, other.mean, other.spread)
        self.squared_error += other.squared_error
        self.fired += other.fired

    def _join(self, tokens: int, mean: Tensor, spread: float) -> None:
        total = self.tokens + tokens
        apart = mean - self.mean
        self.spread += spread + float((apart**2).sum()) * self.tokens * tokens / total
        self.mean = self.mean + apart * (tokens / total)
        self.tokens = total

    def result(self) -> "ReconstructionQuality":
        """Raises DictionaryError on a stream without tokens, or whose activations never change."""
        if not self.tokens:
            raise DictionaryError("There were no tokens to measure the dictionary on; give it a longer sample.")
        if not self.spread:
            raise DictionaryError("The activations of the sample are all the same; FVU has no meaning on them.")
        density = self.fired.double() / self.tokens
        return ReconstructionQuality(
            tokens=self.tokens,
            l0=float(self.fired.sum()) / self.tokens,
            fvu=self.squared_error / self.spread,
            density=density,
            dead_fraction=float((self.fired == 0).double().mean()),
        )


@dataclass(frozen=True, slots=True, eq=False)
class ReconstructionQuality:
    """What a stream of `tokens` says of a dictionary.

    l0: mean features firing on a token. fvu: share of the activations' variance that is not explained.
    density: share of tokens on which each feature fires. dead_fraction: share of features that never fired here.
    """

    tokens: int
    l0: float
    fvu: float
    density: Float[Tensor, " d_sae"]
    dead_fraction: float

    def dense_fraction(self, above: float = 0.1) -> float:
        """Share of features that fire on more than `above` of the tokens."""
        return float((self.density > above).double().mean())


@dataclass(frozen=True, slots=True)
class LossRecovered:
    """Mean next-token cross-entropy in nats, as the model is and with the activations at the hook replaced.

    Counted over predictions made at the tokens whose activations were replaced, so never at BOS or padding.
    """

    predictions: int
    loss: float
    loss_recon: float
    loss_mean_ablated: float
    loss_zero_ablated: float

    @property
    def against_mean(self) -> float:
        """1 where the reconstruction costs nothing, 0 where it is as bad as the mean activation."""
        return _recovered(self.loss, self.loss_recon, self.loss_mean_ablated)

    @property
    def against_zero(self) -> float:
        """The same against zeros, an easier baseline: zeros are far from anything the model has seen."""
        return _recovered(self.loss, self.loss_recon, self.loss_zero_ablated)


def _recovered(loss: float, loss_recon: float, loss_ablated: float) -> float:
    if loss_ablated == loss:
        raise DictionaryError("Ablating the hook does not change the loss at all, so no loss can be recovered there.")
    return (loss_ablated - loss_recon) / (loss_ablated - loss)


def loss_recovered(
    model: SplicedModel,
    dictionary: Dictionary,
    batches: Iterable[tuple[Int[Tensor, "context token"], Bool[Tensor, "context token"]]],
    *,
    mean: Float[Tensor, " d_in"],
) -> LossRecovered:
    """Splices the reconstruction, the mean and zeros into the model, in one pass over the batches.

    batches: token ids, and where they are text (not BOS, other special tokens, or padding); only there is an
    activation replaced. mean: mean activation at the hook over text tokens.
    Raises DictionaryError where no text token is followed by another.
    """
    totals = torch.zeros(4, dtype=torch.float64)
    predictions = 0
    for token_ids, is_text in batches:
        edits: list[Edit | None] = [
            None,
            lambda acts: reconstructed(dictionary, acts),
            lambda acts: mean.expand_as(acts),
            torch.zeros_like,
        ]
        for i, edit in enumerate(edits):
            spliced = None if edit is None else {dictionary.hook_name: _only_text(edit, is_text)}
            totals[i] += next_token_loss(model.logits(token_ids, edit=spliced), token_ids, is_text)
        predictions += int(_predicting(is_text).sum())
    if not predictions:
        raise DictionaryError("No text token of the sample is followed by another; there is no loss to measure.")
    loss, recon, mean_ablated, zero_ablated = (totals / predictions).tolist()
    return LossRecovered(predictions, loss, recon, mean_ablated, zero_ablated)


def reconstructed(dictionary: Dictionary, acts: Float[Tensor, "*token d_in"]) -> Float[Tensor, "*token d_in"]:
    """What the dictionary makes of activations, without ever holding the feature activations of many tokens."""
    flat = acts.reshape(-1, acts.shape[-1])
    parts = [dictionary.decode(dictionary.encode(part)) for part in token_parts(flat, dictionary.d_sae)]
    return torch.cat(parts).reshape(acts.shape)


def token_parts(acts: Float[Tensor, "token d_in"], d_sae: int) -> tuple[Float[Tensor, "part d_in"], ...]:
    """The tokens in parts whose feature activations, dense, take some tens of megabytes at most."""
    return acts.split(max(1, _DENSE_VALUES // d_sae))


def next_token_loss(
    logits: Float[Tensor, "context token d_vocab"],
    token_ids: Int[Tensor, "context token"],
    is_text: Bool[Tensor, "context token"],
) -> float:
    """Summed cross-entropy, in nats, of predictions made at a text token of the text token after it."""
    chosen = _predicting(is_text)
    targets = token_ids[:, 1:].to(logits.device)
    return float(torch.nn.functional.cross_entropy(logits[:, :-1][chosen].float(), targets[chosen], reduction="sum"))


def _predicting(is_text: Bool[Tensor, "context token"]) -> Bool[Tensor, "context earlier_token"]:
    return is_text[:, :-1] & is_text[:, 1:]


def _only_text(edit: Edit, is_text: Bool[Tensor, "context token"]) -> Edit:
    def edited(acts: Tensor) -> Tensor:
        return torch.where(is_text.to(acts.device)[..., None], edit(acts).to(acts.dtype), acts)

    return edited
