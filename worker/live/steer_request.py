"""What can be asked of steering and attribution, read from JSON that may be anything."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self, TypeVar

import numpy as np
from jaxtyping import Int64
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from worker.live.dictionary import LiveDictionary
from worker.live.errors import LiveError, too_much
from worker.live.limits import LiveLimits
from worker.lm.errors import TokenizerError

GREATEST_SEED = 2**63 - 1
N_ERRORS_TOLD = 4
Asked = TypeVar("Asked", bound="Prompted")
Number = Annotated[float, Field(allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class FeatureAsked(_Strict):
    """One feature of one dictionary, by its hash."""

    dictionary: str
    feature: int = Field(ge=0)


class EditAsked(FeatureAsked):
    """What to do with it; value in the dictionary's own units."""

    mode: Literal["add", "set", "remove"]
    value: Number = 0.0


class Prompted(_Strict):
    """A text, or token ids as they go through the model, BOS included."""

    text: str | None = None
    token_ids: list[Annotated[int, Field(ge=0)]] | None = None

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        if (self.text is None) == (self.token_ids is None):
            raise ValueError("a request has either text or token_ids, not both and not neither")
        return self


class SteerAsked(Prompted):
    """Text to write on from the prompt, with and without the edits."""

    edits: list[EditAsked] = Field(min_length=1)
    new_tokens: int = Field(default=60, ge=1)
    temperature: Number = Field(default=1.0, ge=0, le=100)
    top_k: int = Field(default=0, ge=0)
    top_p: Number = Field(default=1.0, gt=0, le=1)
    seed: int = Field(default=0, ge=0, le=GREATEST_SEED)


class EffectsAsked(Prompted):
    """The log probability of every following token, as it is and with each of the features taken away by itself."""

    features: list[FeatureAsked]


class AttributionAsked(Prompted):
    """What the features at one token add to the next one's logits. targets: tokens to tell of beside the likeliest.

    position: the token before the text's last by default, so that the last is the one that is predicted.
    """

    dictionary: str
    position: int | None = Field(default=None, ge=0)
    targets: list[Annotated[int, Field(ge=0)]] = Field(default=[], max_length=20)
    most_features: int = Field(default=50, ge=1, le=1000)


def read_asked(kind: type[Asked], body: bytes, limits: LiveLimits) -> Asked:
    """Raises LiveError on anything else than such a request, naming what is wrong, and over a limit."""
    try:
        asked = kind.model_validate_json(body)
    except ValidationError as error:
        raise _not_understood(error) from error
    if isinstance(asked, SteerAsked):
        _check(len(asked.edits), limits.edits, "edits", "FEATURESCOPE_LIVE_MAX_EDITS")
        _check(asked.new_tokens, limits.new_tokens, "new tokens", "FEATURESCOPE_LIVE_MAX_NEW_TOKENS")
        _check_once(asked.edits)
    if isinstance(asked, EffectsAsked):
        _check(len(asked.features), limits.edits, "features", "FEATURESCOPE_LIVE_MAX_EDITS")
    return asked


def prompt_of(
    asked: Prompted, dictionary: LiveDictionary, limits: LiveLimits, *, room: int = 0
) -> Int64[np.ndarray, " token"]:
    """The tokens as they go through the model, with BOS where the dictionary's contexts begin with it.

    room: how many more tokens the model's context must hold. Raises LiveError where it does not, where there is not a
    token, on ids that the model has not, and over the limit of tokens.
    """
    model = dictionary.model
    token_ids = np.asarray(asked.token_ids if asked.token_ids is not None else _encoded(asked, dictionary), np.int64)
    _check(len(token_ids), limits.tokens, "tokens", "FEATURESCOPE_LIVE_MAX_TOKENS")
    if not len(token_ids):
        raise LiveError("The text has no tokens, and this dictionary's contexts begin without BOS; give it some text.")
    if int(token_ids.max()) >= model.d_vocab:
        raise LiveError(f"Token id {int(token_ids.max())} is beyond model {model.name!r}, which has {model.d_vocab}.")
    if len(token_ids) + room > model.n_ctx:
        beside = f", and {room} more {'is' if room == 1 else 'are'} to come" if room else ""
        raise LiveError(
            f"The text has {len(token_ids):,} tokens{beside}; model {model.name!r} takes {model.n_ctx:,} in all.",
            status=413,
            code="too_large",
            hint="Give a shorter text.",
        )
    return token_ids


def _encoded(asked: Prompted, dictionary: LiveDictionary) -> list[int]:
    assert asked.text is not None
    try:
        (token_ids,) = dictionary.model.tokenizer.encode([asked.text])
    except TokenizerError as error:
        raise LiveError(str(error), code="bad_text") from error
    return [*([] if dictionary.bos_id is None else [dictionary.bos_id]), *token_ids.tolist()]


def _check(value: int, limit: int, what: str, setting: str) -> None:
    if value > limit:
        raise too_much(what, value=value, limit=limit, setting=setting)


def _check_once(edits: Sequence[FeatureAsked]) -> None:
    named = [(edit.dictionary, edit.feature) for edit in edits]
    for dictionary, feature in named:
        if named.count((dictionary, feature)) > 1:
            raise LiveError(
                f"Feature {feature} of dictionary {dictionary[:12]!r} is edited more than once; name it once, with one "
                "mode and value."
            )


def _not_understood(error: ValidationError) -> LiveError:
    problems: list[Any] = error.errors(include_url=False, include_context=False)
    if problems[0]["type"] == "json_invalid":
        return LiveError(f"The request is no JSON: {problems[0]['msg']}.", status=400)
    told = [_problem(each) for each in problems[:N_ERRORS_TOLD]]
    return LiveError("; ".join(told) + ".")


def _problem(problem: Any) -> str:
    place = ".".join(map(str, problem["loc"]))
    said = problem["msg"].removeprefix("Value error, ")
    shown = repr(problem["input"])
    given = f" (given: {shown if len(shown) <= 60 else shown[:57] + '...'})"
    return f"{place}: {said}{given}" if place else f"{said[:1].upper()}{said[1:]}"
