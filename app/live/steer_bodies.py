"""What a program asks of steering, read from JSON that may be anything."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Number = Annotated[float, Field(allow_inf_nan=False)]
GREATEST_SEED = 2**63 - 1
MOST_FEATURES = 1000


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class FeatureBody(_Strict):
    """One feature."""

    dictionary: str = Field(description="slug or hash of a dictionary")
    feature: int = Field(ge=0, description="number of a feature")


class EditBody(FeatureBody):
    """What to do with it."""

    mode: Literal["add", "set", "remove"] = Field(
        description="add the value to its activation, set its activation to the value, or remove it where it is on"
    )
    value: Number = Field(default=0.0, description="in units of the feature's harvest maximum")


class PromptBody(_Strict):
    """A text, or token ids as they go through the model, BOS included."""

    text: str | None = None
    token_ids: list[int] | None = Field(default=None, description="in place of text, BOS included")

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        if (self.text is None) == (self.token_ids is None):
            raise ValueError("give either text or token_ids")
        return self

    def prompt(self) -> dict[str, Any]:
        """The prompt as the worker's door reads it."""
        return {"text": self.text} if self.token_ids is None else {"token_ids": self.token_ids}


class SteerBody(PromptBody):
    """Text to be written on from a prompt twice: as the model is, and with features changed."""

    edits: list[EditBody] = Field(min_length=1)
    new_tokens: int = Field(default=60, ge=1, description="to write at most")
    temperature: Number = Field(default=1.0, ge=0, le=100, description="0 takes the likeliest token")
    top_k: int = Field(default=0, ge=0, description="choose among so many likeliest tokens; 0 among all")
    top_p: Number = Field(default=1.0, gt=0, le=1, description="choose among the likeliest that make up this share")
    seed: int = Field(default=0, ge=0, le=GREATEST_SEED)
    stream: bool = Field(default=True, description="events as they come; false for one JSON object at the end")

    def sampling(self) -> dict[str, Any]:
        """How to write, as the worker's door reads it."""
        return self.model_dump(include={"new_tokens", "temperature", "top_k", "top_p", "seed"})


class EffectsBody(PromptBody):
    """Features to take away, one by one, from a text that is read."""

    features: list[FeatureBody] = Field(default=[], max_length=MOST_FEATURES)
    dictionaries: list[str] = Field(default=[], description="in place of features: take the strongest of these")
    strongest: int = Field(default=20, ge=1, le=MOST_FEATURES, description="how many, where dictionaries are named")
    position: int | None = Field(
        default=None, ge=1, description="place of the token that is predicted; the last one by default"
    )

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if bool(self.features) == bool(self.dictionaries):
            raise ValueError("give either features or dictionaries")
        return self


class AttributionBody(PromptBody):
    """Logits of the token after the one at a position, taken apart."""

    dictionary: str = Field(description="slug or hash of a dictionary")
    position: int | None = Field(
        default=None,
        ge=0,
        description="place of a token, BOS included, whose next one is predicted; the last but one by default",
    )
    targets: list[int] = Field(default=[], max_length=20, description="token ids to tell of beside the likeliest")
    most_features: int = Field(default=50, ge=1, le=MOST_FEATURES)
