"""The lists of /labels, newest first, paged by keyset: each page tells the number that the next one goes on below."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import UnaryExpression, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.operators import custom_op

from catalog.label_records import ActivityRecord, LabellingRecord, LabelRecord
from catalog.reader.label_rows import actor_name, author_name, change_query, change_record, label_query, label_record
from catalog.schema import DictionaryRow, LabelChangeRow, LabellingRow, LabelRow

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Listed(Generic[Item]):
    """One page of a list. next: to pass as `below` for the page after it, None at the end."""

    items: tuple[Item, ...]
    next: int | None


@dataclass(frozen=True, slots=True)
class ListPage:
    """Which page of a list. dictionary: a slug, None for all. below: as an earlier page gave it. hidden: those too."""

    dictionary: str | None = None
    below: int | None = None
    limit: int = 50
    hidden: bool = False


class LabelLists:
    """Reads lists of labels through a session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def activity(self, page: ListPage, *, person: str | None = None) -> Listed[ActivityRecord]:
        """What was done to labels, by everybody or by one person."""
        query = self._of_dictionary(change_query(), page)
        if person is not None:
            query = query.where(actor_name() == person)
        return self._page(query, LabelChangeRow.id, page, read=_activity, number="number")

    def by_author(self, page: ListPage, author: str) -> Listed[LabelRecord]:
        """The labels that somebody proposed."""
        query = self._of_dictionary(label_query(), page).where(author_name() == author)
        return self._page(query, LabelRow.id, page, read=label_record, number="id", me=author)

    def disputed(self, page: ListPage) -> Listed[LabellingRecord]:
        """Features about whose labels people disagree, the last changed first."""
        query = select(*LabellingRow.__table__.columns, DictionaryRow.slug).join(
            DictionaryRow, DictionaryRow.hash == LabellingRow.dictionary_hash
        )
        if page.dictionary is not None:
            query = query.where(DictionaryRow.slug == page.dictionary)
        query = query.where(LabellingRow.disputed.is_(True))
        return self._page(query, LabellingRow.last_change, page, read=_labelling, number="last_change")

    def _of_dictionary(self, query: Any, page: ListPage) -> Any:
        """The list narrowed to what the page asks for.

        On SQLite the hash is written so that no index answers it: a list is read in its order until the page is full,
        where SQLite would rather gather everything of the dictionary and sort it.
        """
        if page.dictionary is not None:
            identity = select(DictionaryRow.hash).where(DictionaryRow.slug == page.dictionary).scalar_subquery()
            is_sqlite = self._session.get_bind().dialect.name == "sqlite"
            column: Any = LabelRow.dictionary_hash
            query = query.where((UnaryExpression(column, operator=custom_op("+")) if is_sqlite else column) == identity)
        return query if page.hidden else query.where(LabelRow.hidden.is_(False))

    def _page(
        self,
        query: Any,
        key: Any,
        page: ListPage,
        *,
        read: Callable[[Any], Item],
        number: str,
        **bound: Any,
    ) -> Listed[Item]:
        if page.below is not None:
            query = query.where(key < page.below)
        rows: Sequence[Any] = self._session.execute(query.order_by(key.desc()).limit(page.limit + 1), bound).all()
        shown = rows[: page.limit]
        further = getattr(shown[-1], number) if len(rows) > page.limit else None
        return Listed(tuple(read(row) for row in shown), further)


def _activity(row: Any) -> ActivityRecord:
    return ActivityRecord(change_record(row), label_record(row))


def _labelling(row: Any) -> LabellingRecord:
    return LabellingRecord(row.slug, row.index, row.text, row.n_labels, bool(row.disputed), row.last_change)
