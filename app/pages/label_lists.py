"""The page /labels: what happens, what is mine, disputed or unlabelled, and how far each dictionary is labelled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from app.pages.dictionary import FeatureRow
from app.pages.label_history import act_words
from app.pages.labels import LabelView, label_view
from app.pages.moments import Moment
from app.pages.numbers import count, plural, share
from catalog.label_records import ActivityRecord, Coverage, LabellingRecord, LabelRecord

View = Literal["recent", "mine", "disputed", "unlabelled"]
VIEWS: tuple[View, ...] = get_args(View)
TITLES: Mapping[View, str] = {
    "recent": "Recent activity",
    "mine": "My labels",
    "disputed": "Disputed",
    "unlabelled": "Unlabelled",
}
EMPTY: Mapping[View, str] = {
    "recent": "Nobody has labelled anything yet. Open a feature and say what it means.",
    "mine": "You have not proposed a label yet. Open a feature and say what it means.",
    "disputed": "Nothing is disputed: no accepted label has votes against it, and no other label is level with one.",
    "unlabelled": "Every feature that fires has a label here.",
}
SENTENCES: Mapping[View, str] = {
    "recent": "What was done to labels, newest first.",
    "mine": "The labels that you proposed, newest first.",
    "disputed": "Features whose accepted label has votes against it, or where somebody else's label has as many net "
    "votes. An admin's choice ends it.",
    "unlabelled": "Features that fire and have no label yet, those that fire most first.",
}


@dataclass(frozen=True, slots=True)
class Tab:
    """One of the lists."""

    name: str
    href: str
    is_shown: bool


@dataclass(frozen=True, slots=True)
class ActivityView:
    """Who did what to which label, when."""

    person: str
    act: str
    moment: Moment
    label: LabelView


@dataclass(frozen=True, slots=True)
class DisputeView:
    """A feature about whose labels people disagree."""

    dictionary: str
    index: int
    text: str
    labels: str


@dataclass(frozen=True, slots=True)
class CoverageView:
    """How far a dictionary is labelled. part: 0 to 100, for a bar."""

    dictionary: str
    name: str
    labelled: str
    share: str
    part: float
    labels: str
    people: str
    disputed: str


@dataclass(frozen=True, slots=True)
class LabelsPage:
    """Everything the page may print. Only the list of its view is filled."""

    view: View
    tabs: tuple[Tab, ...]
    dictionaries: tuple[tuple[str, str], ...]
    dictionary: str
    coverage: tuple[CoverageView, ...]
    activity: tuple[ActivityView, ...] = ()
    labels: tuple[LabelView, ...] = ()
    disputes: tuple[DisputeView, ...] = ()
    features: tuple[FeatureRow, ...] = ()
    next_href: str | None = None
    first_href: str | None = None
    may_export: bool = False

    @property
    def title(self) -> str:
        """The name of the list."""
        return TITLES[self.view]

    @property
    def sentence(self) -> str:
        """What the list holds."""
        return SENTENCES[self.view]

    @property
    def empty(self) -> str:
        """What is said in place of an empty list, and nothing in place of a full one."""
        if self.activity or self.labels or self.disputes or self.features:
            return ""
        if self.view == "unlabelled" and not self.dictionary:
            return "No dictionary has been harvested yet, so there is nothing to label."
        return EMPTY[self.view]


def activity_views(activity: Sequence[ActivityRecord]) -> tuple[ActivityView, ...]:
    """Changes as they are listed."""
    return tuple(
        ActivityView(each.change.person.name, act_words(each.change), Moment(each.change.at), label_view(each.label))
        for each in activity
    )


def own_labels(labels: Sequence[LabelRecord]) -> tuple[LabelView, ...]:
    """Labels as they are listed."""
    return tuple(label_view(label) for label in labels)


def disputes(labellings: Sequence[LabellingRecord]) -> tuple[DisputeView, ...]:
    """Disputed features as they are listed."""
    return tuple(
        DisputeView(each.dictionary, each.index, each.text or "", plural(each.n_labels, "label")) for each in labellings
    )


def coverage_views(coverage: Sequence[Coverage]) -> tuple[CoverageView, ...]:
    """Dictionaries and how far they are labelled."""
    return tuple(
        CoverageView(
            dictionary=each.dictionary,
            name=each.name,
            labelled=f"{count(each.labelled)} of {count(each.d_sae)}",
            share=share(each.labelled / max(1, each.d_sae)),
            part=round(100 * each.labelled / max(1, each.d_sae), 2),
            labels=count(each.labels),
            people=count(each.people),
            disputed=count(each.disputed),
        )
        for each in coverage
    )
