"""Reads lists of features: any sort, any filter, pages by keyset in both directions.

A list is read along the index of its sort. Filters can make that long, where few features of a million fit them or
where those that fit are all at the far end, so that a filtered list is looked for in three ways, each exact:

1. Where some filter leaves few features, those are read by its index and put in order.
2. Otherwise the next LOOKED_THROUGH features along the sort are looked through. Mostly they hold a page.
3. Otherwise all features of the run are looked through once, in the order they are stored in, which is some fifteen
   times faster than looking through them in another order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Select, func, literal, select, text, tuple_
from sqlalchemy.orm import Session

from catalog.among import among
from catalog.cursors import Cursor, decode_cursor
from catalog.errors import BadQuery
from catalog.queries import FeatureListPage, FeatureQuery, Sort
from catalog.reader.feature_filters import (
    Filter,
    Range,
    all_aside,
    filters_of,
    implied_range,
    labelling_of,
    ranges_of,
    set_aside,
)
from catalog.reader.runs import Run, find_run
from catalog.records import FeatureScales, FeatureSummary
from catalog.schema import FeatureRow, LabellingRow
from catalog.tokens import Vocabulary
from catalog.varints import decode_varints

FEW = 4_096
"""Features that are quickly read one by one and put in order."""
_BY_INDEX = text("SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)")
LOOKED_THROUGH = 8_192
_COLUMNS: dict[Sort, Any] = {
    "index": FeatureRow.index,
    "density": FeatureRow.tokens_fired,
    "peak": FeatureRow.peak,
    "mean": FeatureRow.mean,
    "token": FeatureRow.top_token,
}


@dataclass(frozen=True, slots=True)
class _Page:
    """The rows of one page in the order asked for, and whether there are more on either side."""

    rows: Sequence[Any]
    has_next: bool
    has_previous: bool


def list_features(session: Session, query: FeatureQuery, vocabulary: Vocabulary | None) -> FeatureListPage:
    """One page of a dictionary's features."""
    cursor = decode_cursor(query)
    run = find_run(session, query.dictionary, query.harvest)
    if run is None:
        return FeatureListPage((), None, None, None)
    _plan_by_index(session)
    walk = _Walk(run, query, cursor, filters_of(run, query, vocabulary))
    page = _page(walk, walk.rows(session))
    return FeatureListPage(
        features=tuple(_summary(row, run) for row in page.rows),
        next=_cursor(page.rows[-1], query, backwards=False) if page.has_next else None,
        previous=_cursor(page.rows[0], query, backwards=True) if page.has_previous else None,
        harvest=run.harvest,
    )


def some_features(session: Session, slug: str, harvest_id: str | None, indices: Iterable[int]) -> list[FeatureSummary]:
    """The lines of those features that a harvest has written, by index."""
    run = find_run(session, slug, harvest_id)
    if run is None:
        return []
    wanted = _statement(run).where(among(FeatureRow.index, "indices")).order_by(FeatureRow.index)
    return [_summary(row, run) for row in session.execute(wanted, {"indices": [int(i) for i in indices]})]


def scales(session: Session, slug: str, harvest_id: str | None, indices: Iterable[int]) -> FeatureScales:
    """How often those features fire, and how strongly at most."""
    run = find_run(session, slug, harvest_id)
    rows: Sequence[Any] = ()
    if run is not None:
        columns = select(FeatureRow.index, FeatureRow.tokens_fired, FeatureRow.peak)
        wanted = columns.where(FeatureRow.run_id == run.id, among(FeatureRow.index, "indices"))
        rows = session.execute(wanted.order_by(FeatureRow.index), {"indices": [int(i) for i in indices]}).all()
    return FeatureScales(
        harvest=run and run.harvest,
        tokens=0 if run is None else run.tokens,
        indices=np.array([row[0] for row in rows], dtype=np.int64),
        tokens_fired=np.array([row[1] for row in rows], dtype=np.int64),
        peaks=np.array([row[2] for row in rows], dtype=np.float64),
    )


def accepted_label(dictionary_hash: Any, index: Any) -> Any:
    """The text of the accepted label of a feature, as a part of another query."""
    query = select(LabellingRow.text).where(labelling_of(dictionary_hash, index))
    return query.correlate_except(LabellingRow).scalar_subquery()


def _plan_by_index(session: Session) -> None:
    """Until the end of the transaction, every list is read by the index that is meant for it.

    Left to itself PostgreSQL chooses by figures that it lacks for a while after a harvest has been written, and spends
    longer on compiling the rare page for which all features are looked through than that takes.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_BY_INDEX)


class _Walk:
    """One page being looked for."""

    def __init__(self, run: Run, query: FeatureQuery, cursor: Cursor | None, filters: Sequence[Filter]) -> None:
        self._run, self._cursor, self._filters = run, cursor, filters
        self.backwards = cursor is not None and cursor.backwards
        self.limit = query.limit
        self._ascending = (query.order == "asc") != self.backwards
        self._column = sort_column(query)
        self._by_index = self._column is FeatureRow.index
        self._keys = (self._column,) if self._by_index else (self._column, FeatureRow.index)
        asked = ranges_of(run, query).get(self._column.key, Range())
        self._range = asked.within(implied_range(query, self._column.key))

    @property
    def is_first(self) -> bool:
        """Whether no cursor was given."""
        return self._cursor is None

    def rows(self, session: Session) -> Sequence[Any]:
        """The rows of the page in the order of the walk, and one more where there is one."""
        if all(each.topic == self._column.key for each in self._filters):
            return session.execute(self._along(None)).all()
        few = self._few(session)
        if few is not None:
            return self._fetch(session, few)
        end = session.execute(self._end()).one_or_none()
        rows = session.execute(self._along(end)).all()
        if end is None or len(rows) > self.limit:
            return rows
        # In the order they are stored in, looking on stops when the page is full.
        return session.execute(self._along(None)).all() if self._by_index else self._fetch(session, self._sorted())

    def _few(self, session: Session) -> Select | None:
        """The keys of the page by the index of a filter that leaves few features; None where none does."""
        for each in self._filters:
            if each.indexed is not None:
                found = each.found_in(select(literal(1)).where(self._is_of_run, *each.indexed).limit(FEW + 1))
                if (session.scalar(select(func.count()).select_from(found.subquery())) or 0) <= FEW:
                    return self._sorted(each)
        return None

    def _along(self, end: Any) -> Select:
        """The page along the index of the sort. end: keys of the last row to look at, or None."""
        wanted = [*self._own_range(end), *all_aside(self._filters, but=self._column.key)]
        return _statement(self._run).where(*wanted).order_by(*self._order(self._keys)).limit(self.limit + 1)

    def _end(self) -> Select:
        """The keys of the last of the rows to look through, where there are as many."""
        query = select(*self._keys).where(self._is_of_run, *self._own_range(None)).order_by(*self._order(self._keys))
        return query.limit(1).offset(LOOKED_THROUGH - 1)

    def _sorted(self, by: Filter | None = None) -> Select:
        """The indices of the page's features in order, found by the index of a filter or among all."""
        keys = tuple(set_aside(key) for key in self._keys)
        indexed = by.indexed if by is not None and by.indexed is not None else []
        wanted = [*indexed, *all_aside(self._filters, but=by.topic if by is not None else "")]
        if self._cursor is not None:
            wanted.append(self._beyond(keys, self._place()))
        query = select(FeatureRow.index).where(self._is_of_run, *wanted)
        query = query if by is None else by.found_in(query)
        return query.order_by(*self._order(keys)).limit(self.limit + 1)

    def _fetch(self, session: Session, query: Select) -> Sequence[Any]:
        """The rows of those indices, in their order."""
        indices = list(session.scalars(query))
        wanted = _statement(self._run).where(among(FeatureRow.index, "indices"))
        rows: dict[Any, Any] = {row.index: row for row in session.execute(wanted, {"indices": indices})}
        return [rows[index] for index in indices]

    @property
    def _is_of_run(self) -> ColumnElement[bool]:
        return FeatureRow.run_id == self._run.id

    def _own_range(self, end: Any) -> list[ColumnElement[bool]]:
        """The range of the sort, from the cursor on and up to the end: one bound a side for the index to start from."""
        low, high = Range(low=self._range.low), Range(high=self._range.high)
        first, last = (low, high) if self._ascending else (high, low)
        begins, ends = first.tests(self._column), last.tests(self._column)
        if self._cursor is not None:
            begins = [self._beyond(self._keys, self._place()), *first.tests(set_aside(self._column))]
        if end is not None:
            ends = [self._up_to(self._keys, tuple(end))]
        return [*begins, *ends]

    def _place(self) -> tuple[Any, ...]:
        assert self._cursor is not None
        if self._by_index:
            return (self._cursor.index,)
        if isinstance(self._cursor.value, float) and self._column in (FeatureRow.tokens_fired, FeatureRow.top_token):
            raise BadQuery("This cursor does not fit the sort of the list. Start again at the first page.")
        return (self._cursor.value, self._cursor.index)

    def _beyond(self, keys: tuple[Any, ...], place: tuple[Any, ...]) -> ColumnElement[bool]:
        left, right = _pair(keys, place)
        return left > right if self._ascending else left < right

    def _up_to(self, keys: tuple[Any, ...], place: tuple[Any, ...]) -> ColumnElement[bool]:
        left, right = _pair(keys, place)
        return left <= right if self._ascending else left >= right

    def _order(self, keys: tuple[Any, ...]) -> list[Any]:
        return [key.asc() if self._ascending else key.desc() for key in keys]


def _pair(keys: tuple[Any, ...], place: tuple[Any, ...]) -> tuple[Any, Any]:
    return (keys[0], place[0]) if len(keys) == 1 else (tuple_(*keys), tuple_(*place))


def _statement(run: Run) -> Select:
    """The lines of a run's features, each with its accepted label."""
    label = accepted_label(run.dictionary_hash, FeatureRow.index).label("label")
    columns = [column for column in FeatureRow.__table__.columns if column.name not in ("run_id", "top_token_text")]
    return select(*columns, label).where(FeatureRow.run_id == run.id)


def sort_column(query: FeatureQuery) -> Any:
    """The column that a list is sorted by. The dead are alike in all but their index, and lie together by firings."""
    if query.live is False and query.sort != "index":
        return FeatureRow.tokens_fired
    return _COLUMNS[query.sort]


def _page(walk: _Walk, found: Sequence[Any]) -> _Page:
    more, rows = len(found) > walk.limit, found[: walk.limit]
    if not walk.backwards:
        return _Page(rows, has_next=more, has_previous=not walk.is_first and bool(rows))
    return _Page(rows[::-1], has_next=bool(rows), has_previous=more)


def _cursor(row: Any, query: FeatureQuery, *, backwards: bool) -> str:
    value = getattr(row, sort_column(query).key) if query.sort != "index" else 0
    return Cursor(value, row.index, backwards=backwards).encode(query)


def _summary(row: Any, run: Run) -> FeatureSummary:
    return FeatureSummary(
        index=row.index,
        density=row.tokens_fired / run.tokens if run.tokens else 0.0,
        tokens_fired=row.tokens_fired,
        peak=row.peak,
        mean=row.mean,
        top_token=row.top_token if row.top_token >= 0 else None,
        promoted=tuple(decode_varints(row.promoted).tolist()),
        sparkline=row.sparkline,
        label=row.label,
    )
