"""The shapes of what programs send about labels, and of the answers, for the OpenAPI description."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from catalog.label_text import LONGEST_NOTE, LONGEST_REASON, LONGEST_TAG, LONGEST_TEXT, MOST_TAGS

Version = Annotated[int, Field(ge=1, le=2**31 - 1)]


class LabelBody(BaseModel):
    """A label's wording. Limits are checked after what nobody sees has been taken out."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(description=f"what the feature means, 1 to {LONGEST_TEXT} characters")
    note: str = Field(default="", description=f"at most {LONGEST_NOTE} characters")
    tags: list[str] = Field(default=[], description=f"at most {MOST_TAGS}, of {LONGEST_TAG} characters at most")
    confidence: int | None = Field(default=None, description="percent, 0 to 100")
    harvest: str | None = Field(
        default=None, max_length=200, pattern=r"^[!-~]+$", description="id of the harvest it was judged on"
    )


class EditBody(LabelBody):
    """Another wording. version: of the label, as it was when the wording was made."""

    version: Version


class RevertBody(BaseModel):
    """Which wording to go back to. version: of the label now."""

    model_config = ConfigDict(extra="forbid")
    to: Version
    version: Version


class VoteBody(BaseModel):
    """One's vote."""

    model_config = ConfigDict(extra="forbid")
    value: Literal[-1, 0, 1]


class HideBody(BaseModel):
    """Why a label is hidden."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(default="", description=f"at most {LONGEST_REASON} characters")


class PersonShape(BaseModel):
    """Whoever said something; kind is person or program."""

    name: str
    kind: str


class VotesShape(BaseModel):
    """Votes on a label. mine: 1, -1 or 0."""

    net: int
    mine: int


class LabelAnswer(BaseModel):
    """One label. version is to be sent along with another wording."""

    key: str
    dictionary: str
    index: int
    text: str
    note: str
    tags: list[str]
    confidence: int | None
    author: PersonShape
    version: int
    votes: VotesShape
    accepted: bool
    chosen: bool
    hidden: bool
    harvest: str | None
    created_at: str
    changed_at: str
    history: list[dict[str, Any]] = []


class LabelsAnswer(BaseModel):
    """The labels of a feature."""

    labels: list[LabelAnswer]
