"""Labels as they are shown: one by one, and those of a feature together."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.pages.moments import Moment
from app.pages.numbers import plural
from catalog.label_records import LabelRecord, PersonRecord
from catalog.label_text import LONGEST_NOTE, LONGEST_TEXT


@dataclass(frozen=True, slots=True)
class LabelView:
    """One label. net: votes for less votes against, with its sign. standing: why it is the accepted one, or empty.

    my_vote: 1, -1 or 0. by_program: not written by a person.
    """

    key: str
    dictionary: str
    index: int
    text: str
    note: tuple[str, ...]
    tags: tuple[str, ...]
    confidence: str
    author: str
    by_program: bool
    created: Moment
    version: int
    net: str
    votes: str
    my_vote: int
    is_accepted: bool
    is_chosen: bool
    standing: str
    is_hidden: bool


@dataclass(frozen=True, slots=True)
class LabelRights:
    """What whoever looks at the page may do."""

    may_label: bool
    may_decide: bool


@dataclass(frozen=True, slots=True)
class FeatureLabels:
    """The labels of one feature. harvest: the one on the page, which a new label is judged on.

    accepted: what the accepted one says, or nothing. last_change: number of the newest change that is shown.
    """

    dictionary: str
    index: int
    labels: tuple[LabelView, ...]
    sentence: str
    rights: LabelRights
    harvest: str
    accepted: str
    last_change: int
    longest_text: int = LONGEST_TEXT
    longest_note: int = LONGEST_NOTE


def feature_labels(
    labels: Sequence[LabelRecord], *, place: tuple[str, int], me: PersonRecord, harvest: str = ""
) -> FeatureLabels:
    """The part of a feature's page. place: slug and index of the feature."""
    views = tuple(label_view(label) for label in labels)
    return FeatureLabels(
        *place,
        labels=views,
        sentence=_sentence(views),
        rights=rights_of(me),
        harvest=harvest,
        accepted=next((view.text for view in views if view.is_accepted), ""),
        last_change=max((label.feature_change for label in labels), default=0),
    )


def rights_of(me: PersonRecord) -> LabelRights:
    """What somebody may do to labels."""
    return LabelRights(may_label=me.may("labeller"), may_decide=me.may("admin"))


def label_view(label: LabelRecord) -> LabelView:
    """One label as it is shown."""
    content = label.content
    return LabelView(
        key=label.key,
        dictionary=label.dictionary,
        index=label.index,
        text=content.text,
        note=tuple(line for line in content.note.split("\n") if line),
        tags=content.tags,
        confidence="" if content.confidence is None else f"{content.confidence} % sure",
        author=label.author.name,
        by_program=label.author.kind == "program",
        created=Moment(label.created_at),
        version=label.version,
        net=_signed(label.net),
        votes=f"{label.ups} for, {label.downs} against",
        my_vote=label.my_vote,
        is_accepted=label.is_accepted,
        is_chosen=label.is_chosen,
        standing=_standing(label),
        is_hidden=label.is_hidden,
    )


def _signed(number: int) -> str:
    """A whole number with its sign; a minus as wide as a plus."""
    return f"+{number}" if number > 0 else f"−{-number}" if number < 0 else "0"


def _standing(label: LabelRecord) -> str:
    if not label.is_accepted:
        return ""
    return "accepted, by an admin's choice" if label.is_chosen else "accepted"


def _sentence(views: Sequence[LabelView]) -> str:
    views = [view for view in views if not view.is_hidden]
    if not views:
        return "Nobody has said yet what this feature means."
    accepted = next((view for view in views if view.is_accepted), None)
    if len(views) == 1 or accepted is None:
        return ""
    rule = "an admin chose the accepted one" if accepted.is_chosen else "the one with the most net votes is accepted"
    return f"{plural(len(views), 'proposed label')}; {rule}."
