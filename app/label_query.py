"""How the lists of labels are asked for, and what a form of a label sends: the same names for pages and programs."""

from typing import Annotated

from fastapi import Depends, Form, Query

from app.pages.label_form import TypedLabel
from app.pages.label_lists import View
from catalog.errors import BadLabel, BadQuery
from catalog.label_records import LabelContent
from catalog.label_text import label_content
from catalog.reader.label_lists import ListPage


class AskedLabels:
    """Which list, of which dictionary, and where it goes on. An empty value counts as not given."""

    def __init__(
        self,
        *,
        view: Annotated[View, Query(description="which list")] = "recent",
        dictionary: Annotated[str, Query(max_length=400, description="slug of a dictionary; all by default")] = "",
        after: Annotated[str, Query(max_length=400, description="what an earlier page gave as `next`")] = "",
        limit: Annotated[int, Query(ge=1, le=500, description="entries on a page")] = 50,
    ) -> None:
        self.view: View = view
        self.dictionary, self.after, self.limit = dictionary or None, after or None, limit

    def list_page(self, *, hidden: bool) -> ListPage:
        """The catalog's page. Raises BadQuery on an `after` that no list gave."""
        if self.after is not None and not (self.after.isascii() and self.after.isdecimal() and len(self.after) < 10):
            raise BadQuery(f"The list cannot go on after {self.after[:40]!r}: that is no number it gave as `next`.")
        below = None if self.after is None else int(self.after)
        return ListPage(self.dictionary, below, self.limit, hidden=hidden)


class SentLabel:
    """The fields of a form, as typed. version: the one that the wording was made from, 0 for a new label."""

    def __init__(
        self,
        *,
        text: Annotated[str, Form()] = "",
        note: Annotated[str, Form()] = "",
        tags: Annotated[str, Form()] = "",
        confidence: Annotated[str, Form()] = "",
        version: Annotated[int, Form(ge=0, le=2**31 - 1)] = 0,
        harvest: Annotated[str, Form()] = "",
    ) -> None:
        self.typed = TypedLabel(text, note, tags, confidence)
        self.version, self.harvest = version, harvest or None

    def content(self) -> LabelContent:
        """The label as it is stored. Raises BadLabel saying what is wrong with it."""
        typed = self.typed
        return label_content(typed.text, note=typed.note, tags=typed.tags, confidence=_percent(typed.confidence))


def _percent(text: str) -> int | None:
    text = text.strip().removesuffix("%").strip()
    if not text:
        return None
    try:
        return round(float(text.replace(",", ".")))
    except (ValueError, OverflowError):
        raise BadLabel(f"The confidence is {text[:40]!r}; expected a percentage from 0 to 100, or nothing.") from None


LabelQuery = Annotated[AskedLabels, Depends()]
LabelSent = Annotated[SentLabel, Depends()]
