"""Reads labels: those of a feature, one with its history, and how far each dictionary is labelled."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from sqlalchemy import Integer, String, bindparam, case, func, select
from sqlalchemy.orm import Session

from catalog.among import among
from catalog.errors import NotFound
from catalog.label_records import Coverage, LabelChangeRecord, LabelRecord, PersonRecord
from catalog.reader.label_lists import LabelLists
from catalog.reader.label_rows import change_query, change_record, label_query, label_record
from catalog.schema import DictionaryRow, LabelChangeRow, LabellingRow, LabelRow, PersonRow

MOST_CHANGES = 500
LABELS_AT_ONCE = 256


class LabelReader:
    """Reads labels through a session. lists: the pages of /labels.

    me: name of whoever asks, so that their own votes are told; None where nobody in particular does.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.lists = LabelLists(session)

    def of_feature(self, slug: str, index: int, *, me: str | None = None, hidden: bool = False) -> list[LabelRecord]:
        """The labels of a feature: the accepted one, then by net votes, then by age. hidden: those as well, last."""
        # Straight on the connection: the session's part would cost as much as the query.
        rows = self._session.connection().execute(_feature_query(), {"slug": slug, "index": index, "me": me})
        labels = [label for label in map(label_record, rows) if hidden or not label.is_hidden]
        return sorted(labels, key=lambda label: (not label.is_accepted, label.is_hidden, -label.net))

    def one(self, key: str, *, me: str | None = None) -> LabelRecord:
        """The label of that key, hidden or not. Raises NotFound."""
        row = self._session.execute(label_query().where(LabelRow.key == key), {"me": me}).one_or_none()
        if row is None:
            raise NotFound("label", key, hint="The page /labels lists what there is.")
        return label_record(row)

    def history(self, key: str) -> list[LabelChangeRecord]:
        """What was done to a label, oldest first; of very many the newest MOST_CHANGES."""
        query = change_query().where(LabelRow.key == key).order_by(LabelChangeRow.id.desc()).limit(MOST_CHANGES)
        return [change_record(row) for row in self._session.execute(query)][::-1]

    def with_history(self, dictionary: str | None = None) -> Iterator[tuple[LabelRecord, list[LabelChangeRecord]]]:
        """Every label, or every one of a dictionary, hidden ones too, oldest first, each with its history."""
        query, below = label_query().order_by(LabelRow.id).limit(LABELS_AT_ONCE), 0
        if dictionary is not None:
            query = query.where(DictionaryRow.slug == dictionary)
        while rows := self._session.execute(query.where(LabelRow.id > below), {"me": None}).all():
            below = rows[-1].id
            changes = self._changes([row.id for row in rows])
            for row in rows:
                yield label_record(row), changes[row.key]

    def _changes(self, label_ids: list[int]) -> dict[str, list[LabelChangeRecord]]:
        query = change_query().where(among(LabelChangeRow.label_id, "labels")).order_by(LabelChangeRow.id)
        found: dict[str, list[LabelChangeRecord]] = {}
        for row in self._session.execute(query, {"labels": label_ids}):
            found.setdefault(row.key, []).append(change_record(row))
        return found

    def last_change(self, slug: str, index: int) -> int:
        """The number of the newest change to any label of a feature, 0 where there is none."""
        query = select(LabellingRow.last_change).join(DictionaryRow, DictionaryRow.hash == LabellingRow.dictionary_hash)
        return self._session.scalar(query.where(DictionaryRow.slug == slug, LabellingRow.index == index)) or 0

    def person(self, name: str) -> PersonRecord | None:
        """The person of that name, None where there is none."""
        columns = (PersonRow.name, PersonRow.role, PersonRow.kind)
        row: Any = self._session.execute(select(*columns).where(PersonRow.name == name)).one_or_none()
        return None if row is None else PersonRecord(*row)

    def coverage(self) -> list[Coverage]:
        """How far every dictionary is labelled, in the order in which they were added."""
        features = _by_dictionary(
            self._session,
            select(
                LabellingRow.dictionary_hash,
                func.count(LabellingRow.label_id),
                func.sum(case((LabellingRow.disputed.is_(True), 1), else_=0)),
            ).group_by(LabellingRow.dictionary_hash),
        )
        labels = _by_dictionary(
            self._session,
            select(LabelRow.dictionary_hash, func.count(), func.count(LabelRow.author_id.distinct()))
            .where(LabelRow.hidden.is_(False))
            .group_by(LabelRow.dictionary_hash),
        )
        found = []
        for each in self._session.scalars(select(DictionaryRow).order_by(DictionaryRow.id)):
            labelled, disputed = features.get(each.hash, (0, 0))
            n_labels, people = labels.get(each.hash, (0, 0))
            found.append(Coverage(each.slug, each.name, each.d_sae, labelled, n_labels, disputed, people))
        return found


@cache
def _feature_query() -> Any:
    """The labels of the feature `index` of a dictionary `slug`, built once: building it costs more than running it."""
    place = (DictionaryRow.slug == bindparam("slug", type_=String), LabelRow.index == bindparam("index", type_=Integer))
    return label_query().where(*place).order_by(LabelRow.id)


def _by_dictionary(session: Session, query: Any) -> dict[str, tuple[int, int]]:
    rows: Any = session.execute(query)
    return {identity: (int(first), int(second)) for identity, first, second in rows}
