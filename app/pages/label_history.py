"""The page of one label: what it says, who changed what, word by word, and the way back."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.pages.label_form import FieldDiff, TypedLabel, field_diffs, whole_fields
from app.pages.labels import LabelRights, LabelView, label_view, rights_of
from app.pages.moments import Moment
from catalog.label_records import LabelAct, LabelChangeRecord, LabelRecord, PersonRecord

ACTS: dict[LabelAct, str] = {
    "proposed": "proposed it",
    "imported": "imported it from a file",
    "edited": "changed the wording",
    "reverted": "went back to an earlier wording",
    "hidden": "hid it",
    "shown": "showed it again",
    "chosen": "chose it as the accepted label",
    "unchosen": "left the choice to the votes again",
}
VOTES = {1: "voted for it", -1: "voted against it", 0: "took their vote back"}


@dataclass(frozen=True, slots=True)
class ChangeView:
    """One entry of a history. diffs: the fields that it changed. can_return: an earlier wording one may go back to."""

    person: str
    act: str
    moment: Moment
    version: int
    is_wording: bool
    diffs: tuple[FieldDiff, ...]
    reason: str
    can_return: bool


@dataclass(frozen=True, slots=True)
class LabelPage:
    """Everything the page of one label may print. is_closed: hidden, and whoever looks may not see what it says."""

    label: LabelView
    dictionary_name: str
    history: tuple[ChangeView, ...]
    rights: LabelRights
    is_closed: bool


def label_page(
    label: LabelRecord, history: Sequence[LabelChangeRecord], *, dictionary_name: str, me: PersonRecord
) -> LabelPage:
    """The page; the newest entry of the history first."""
    rights = rights_of(me)
    is_closed = label.is_hidden and not rights.may_decide
    return LabelPage(label_view(label), dictionary_name, _views(label, history, is_closed), rights, is_closed)


def act_words(change: LabelChangeRecord) -> str:
    """What somebody did, as the end of a sentence that begins with their name."""
    return VOTES.get(change.vote or 0, "voted") if change.act == "voted" else ACTS[change.act]


def _views(label: LabelRecord, history: Sequence[LabelChangeRecord], is_closed: bool) -> tuple[ChangeView, ...]:
    views: list[ChangeView] = []
    before: TypedLabel | None = None
    for change in history:
        diffs: tuple[FieldDiff, ...] = ()
        if change.content is not None:
            after = TypedLabel.of(change.content)
            diffs, before = field_diffs(before, after) if before else whole_fields(after), after
        views.append(
            ChangeView(
                person=change.person.name,
                act=act_words(change),
                moment=Moment(change.at),
                version=change.version,
                is_wording=change.content is not None,
                diffs=() if is_closed else diffs,
                reason=change.reason,
                can_return=change.content is not None and change.version != label.version and not label.is_hidden,
            )
        )
    return tuple(reversed(views))
