"""People and what they say of features: frozen values that cross rooms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Role = Literal["viewer", "labeller", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "labeller", "admin")
PersonKind = Literal["person", "program"]
LabelAct = Literal["proposed", "imported", "edited", "reverted", "hidden", "shown", "voted", "chosen", "unchosen"]
WORDINGS: tuple[LabelAct, ...] = ("proposed", "edited", "reverted")
"""The acts that give a label a wording."""
Vote = Literal[-1, 0, 1]


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """Somebody who says something. A role may do all that the ones before it in ROLES may."""

    name: str
    role: Role
    kind: PersonKind = "person"

    def may(self, needed: Role) -> bool:
        """Whether the person has that role or a greater one."""
        return ROLES.index(self.role) >= ROLES.index(needed)


@dataclass(frozen=True, slots=True)
class LabelContent:
    """The wording of a label, made by `label_text.label_content`. confidence: percent, None where nobody said."""

    text: str
    note: str = ""
    tags: tuple[str, ...] = ()
    confidence: int | None = None


@dataclass(frozen=True, slots=True)
class LabelRecord:
    """A proposed label as it stands. It belongs to the dictionary's hash, not to a harvest.

    dictionary: slug of the dictionary. version: grows with every wording.
    ups, downs: votes for and against; my_vote: that of whoever asks. is_chosen: accepted by an admin's choice rather
    than by the votes. feature_change: number of the newest change to any label of its feature.
    """

    key: str
    dictionary_hash: str
    dictionary: str
    index: int
    content: LabelContent
    author: PersonRecord
    version: int
    created_at: str
    changed_at: str
    ups: int = 0
    downs: int = 0
    my_vote: int = 0
    is_accepted: bool = False
    is_chosen: bool = False
    is_hidden: bool = False
    harvest: str | None = None
    feature_change: int = 0

    @property
    def text(self) -> str:
        """What it says."""
        return self.content.text

    @property
    def net(self) -> int:
        """Votes for it less votes against it."""
        return self.ups - self.downs


@dataclass(frozen=True, slots=True)
class LabelChangeRecord:
    """One thing that was done to a label. content: the wording it got, None where the wording stayed.

    reason: said when a label was hidden. vote: 1, -1, or 0 for one taken back, None where it is no vote.
    """

    number: int
    label: str
    version: int
    act: LabelAct
    person: PersonRecord
    at: str
    content: LabelContent | None = None
    reason: str = ""
    vote: int | None = None


@dataclass(frozen=True, slots=True)
class ActivityRecord:
    """A change and the label it was made to, as it stands now."""

    change: LabelChangeRecord
    label: LabelRecord


@dataclass(frozen=True, slots=True)
class LabellingRecord:
    """What the labels of one feature come to. text: the accepted label, None where none is."""

    dictionary: str
    index: int
    text: str | None
    n_labels: int
    is_disputed: bool
    last_change: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far a dictionary is labelled. labelled: features with an accepted label. people: how many proposed one."""

    dictionary: str
    name: str
    d_sae: int
    labelled: int
    labels: int
    disputed: int
    people: int


@dataclass(frozen=True, slots=True)
class LabelImport:
    """A label from a file, its text cleaned. key: the same whenever the same file is read.

    dictionary_hash, dictionary, neuronpedia: by which its dictionary is looked for, in this order, as far as they are
    known: hash, slug, and model and source as Neuronpedia names them. history: oldest first, never empty, the first of
    it a wording.
    """

    key: str
    index: int
    history: tuple[LabelChangeRecord, ...]
    dictionary_hash: str | None = None
    dictionary: str | None = None
    neuronpedia: str | None = None
    is_hidden: bool = False
    is_chosen: bool = False

    @property
    def wordings(self) -> tuple[LabelContent, ...]:
        """What it said, oldest first."""
        return tuple(change.content for change in self.history if change.content is not None)


def tags_text(tags: Sequence[str]) -> str:
    """Tags as they are stored and typed."""
    return ", ".join(tags)


def tags_of(text: str | None) -> tuple[str, ...]:
    """Tags from how they are stored."""
    return tuple(text.split(", ")) if text else ()
