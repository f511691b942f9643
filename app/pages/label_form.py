"""The form of a label: for a new one, for another wording, and for bringing two wordings together."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.pages.word_diff import Piece, word_diff
from catalog.label_records import LabelChangeRecord, LabelContent, LabelRecord, tags_text
from catalog.label_text import LONGEST_NOTE, LONGEST_TEXT

FIELDS = {"text": "Label", "note": "Note", "tags": "Tags", "confidence": "Confidence"}


@dataclass(frozen=True, slots=True)
class TypedLabel:
    """What stands in the fields, as typed."""

    text: str = ""
    note: str = ""
    tags: str = ""
    confidence: str = ""

    @classmethod
    def of(cls, content: LabelContent) -> "TypedLabel":
        """The fields of a stored wording."""
        confidence = "" if content.confidence is None else str(content.confidence)
        return cls(content.text, content.note, tags_text(content.tags), confidence)


@dataclass(frozen=True, slots=True)
class FieldDiff:
    """How one field differs between two wordings."""

    name: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class OtherWording:
    """What somebody else made of the label meanwhile. theirs, yours: from the wording that both began with."""

    by: str
    content: TypedLabel
    theirs: tuple[FieldDiff, ...]
    yours: tuple[FieldDiff, ...]


@dataclass(frozen=True, slots=True)
class LabelForm:
    """The page of a form. key: of the label, empty for a new one. version: that the saved wording is made from.

    problem: why what was typed cannot be taken. other: set where somebody else was faster.
    """

    dictionary: str
    index: int
    typed: TypedLabel
    key: str = ""
    version: int = 0
    harvest: str = ""
    problem: str = ""
    other: OtherWording | None = None
    longest_text: int = LONGEST_TEXT
    longest_note: int = LONGEST_NOTE

    @property
    def title(self) -> str:
        """What the form is for."""
        if self.other is not None:
            return "Two changes at once"
        return "Another wording" if self.key else "A new label"


def edit_form(label: LabelRecord, typed: TypedLabel | None = None, *, version: int = 0, problem: str = "") -> LabelForm:
    """The form for another wording: what is stored in the fields, or what was typed before, made from its version."""
    fields = typed or TypedLabel.of(label.content)
    return LabelForm(
        label.dictionary, label.index, fields, key=label.key, version=version or label.version, problem=problem
    )


def merge_form(
    label: LabelRecord, typed: TypedLabel, *, version: int, history: Sequence[LabelChangeRecord]
) -> LabelForm:
    """The form in which two wordings are brought together. version: that the typed one was made from."""
    wordings = {change.version: change for change in history if change.content is not None}
    now = TypedLabel.of(label.content)
    base = wordings.get(version)
    began = TypedLabel.of(base.content) if base is not None and base.content is not None else now
    newest = wordings.get(label.version)
    other = OtherWording(
        by=newest.person.name if newest is not None else label.author.name,
        content=now,
        theirs=field_diffs(began, now),
        yours=field_diffs(began, typed),
    )
    return LabelForm(label.dictionary, label.index, typed, key=label.key, version=label.version, other=other)


def whole_fields(typed: TypedLabel) -> tuple[FieldDiff, ...]:
    """The fields of a first wording that say something, with nothing to compare them with."""
    said = {name: getattr(typed, field) for field, name in FIELDS.items()}
    return tuple(FieldDiff(name, word_diff(text, text)) for name, text in said.items() if text)


def field_diffs(old: TypedLabel, new: TypedLabel) -> tuple[FieldDiff, ...]:
    """The fields that differ, and the text in any case."""
    differing = (field for field in FIELDS if field == "text" or getattr(old, field) != getattr(new, field))
    return tuple(FieldDiff(FIELDS[field], word_diff(getattr(old, field), getattr(new, field))) for field in differing)
