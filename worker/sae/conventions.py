"""How the activations that a dictionary reads must be made; dictionaries that agree share a forward pass."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self

from worker.sae.errors import DictionaryError

WeightProcessing = Literal["raw", "folded"]


@dataclass(frozen=True, slots=True)
class Conventions:
    """The rules a dictionary was made under.

    prepend_bos: whether a context begins with the tokenizer's BOS token, counted in n_ctx.
    n_ctx: tokens in a context.
    weight_processing: "raw" weights of the model, or "folded" (layer norms folded in, writing weights centred).
    excluded_tokens: token ids left out beside the tokenizer's special tokens.
    """

    prepend_bos: bool
    n_ctx: int
    weight_processing: WeightProcessing = "raw"
    excluded_tokens: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.n_ctx < 1:
            raise DictionaryError(f"n_ctx is {self.n_ctx}; a context holds at least one token.")
        if self.weight_processing not in ("raw", "folded"):
            raise DictionaryError(f"weight_processing is {self.weight_processing!r}; it is 'raw' or 'folded'.")

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON values; `from_json` reads it back."""
        return {**asdict(self), "excluded_tokens": list(self.excluded_tokens)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Raises DictionaryError on keys that are no conventions, or that are missing."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise DictionaryError(f"Conventions have no {', '.join(unknown)}; they have {', '.join(sorted(known))}.")
        if missing := sorted({"prepend_bos", "n_ctx"} - set(values)):
            raise DictionaryError(f"Conventions need {' and '.join(missing)}, which are not given.")
        excluded = tuple(int(token) for token in values.get("excluded_tokens", ()))
        return cls(**{**values, "excluded_tokens": excluded})
