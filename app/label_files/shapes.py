"""What a line of a file may hold. Nothing in a file is believed: it is checked here, and its text is cleaned later."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator

from catalog.label_records import LabelAct, PersonKind

Name = Annotated[str, Field(min_length=1, max_length=200)]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]


class PersonIn(BaseModel):
    """Whoever said something."""

    name: Name
    kind: PersonKind = "person"


class WordingIn(BaseModel):
    """What a label said."""

    text: str
    note: str = ""
    tags: list[str] = []
    confidence: int | None = None


class ChangeIn(BaseModel):
    """One entry of a history."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    act: LabelAct
    person: PersonIn
    at: str
    wording: WordingIn | None = None
    reason: str | None = None
    vote: Literal[-1, 0, 1] | None = None

    @field_validator("at")
    @classmethod
    def _moment(cls, value: str) -> str:
        return moment(value)


class LabelIn(WordingIn):
    """A line of our own export; without a history it is a label as it stands."""

    key: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_-]+$")]
    index: Count
    dictionary: str | None = None
    dictionary_hash: str | None = None
    author: PersonIn
    created_at: str
    hidden: bool = False
    chosen: bool = False
    history: list[ChangeIn] = []

    @field_validator("created_at")
    @classmethod
    def _moment(cls, value: str) -> str:
        return moment(value)


class RowIn(BaseModel):
    """A row of a table, all of it text."""

    dictionary: str = ""
    dictionary_hash: str = ""
    index: Count
    text: str
    note: str = ""
    tags: str = ""
    confidence: Annotated[int, Field(ge=0, le=100)] | None = None
    author: str = "spreadsheet"
    author_kind: PersonKind = "person"
    created_at: str = ""
    key: str = ""
    hidden: bool = False


class ExplanationIn(BaseModel):
    """An explanation as Neuronpedia exports it. layer: layer and source, as in '0-res-jb'."""

    modelId: str
    layer: str
    index: Count
    description: str
    id: str | None = None
    notes: str | None = None
    authorId: str | None = None
    typeName: str | None = None
    explanationModelName: str | None = None
    createdAt: str | None = None


def moment(value: str) -> str:
    """A time as the catalog writes it, UTC where it names no zone. Raises ValueError on anything but ISO 8601."""
    given = datetime.fromisoformat(value)
    zoned = given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
    return zoned.isoformat(timespec="microseconds")
