"""Reads lists of features: any sort, any filter, pages by keyset in both directions."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Select, UnaryExpression, and_, exists, select, tuple_
from sqlalchemy.orm import Session
from sqlalchemy.sql.operators import custom_op

from catalog.among import among
from catalog.cursors import Cursor, decode_cursor
from catalog.errors import BadQuery
from catalog.queries import FeatureListPage, FeatureQuery, Sort
from catalog.reader.runs import Run, find_run
from catalog.records import FeatureScales, FeatureSummary
from catalog.schema import FeatureRow, LabellingRow
from catalog.varints import decode_varints

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


def list_features(session: Session, query: FeatureQuery) -> FeatureListPage:
    """One page of a dictionary's features."""
    cursor = decode_cursor(query)
    run = find_run(session, query.dictionary, query.harvest)
    if run is None:
        return FeatureListPage((), None, None, None)
    aside = _set_aside if session.get_bind().dialect.name == "sqlite" else _as_it_is
    filters = [*_number_filters(run, query, aside), *_other_filters(run, query, aside)]
    page = _read(session, _statement(run, filters), query, cursor)
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
    wanted = _statement(run, [among(FeatureRow.index, "indices")]).order_by(FeatureRow.index)
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
    query = select(LabellingRow.text).where(_labelling_of(dictionary_hash, index))
    return query.correlate_except(LabellingRow).scalar_subquery()


def _statement(run: Run, filters: Sequence[ColumnElement[bool]]) -> Select:
    label = accepted_label(run.dictionary_hash, FeatureRow.index).label("label")
    columns = [column for column in FeatureRow.__table__.columns if column.name not in ("run_id", "top_token_text")]
    return select(*columns, label).where(FeatureRow.run_id == run.id, *filters)


def _as_it_is(column: Any, _sort: Any) -> Any:
    return column


def _set_aside(column: Any, sort: Any) -> Any:
    """The column as SQLite must write it so as not to choose its index: the list is read in the order of its sort.

    SQLite knows nothing of how many rows a range has, and would sort a million rows where it need only read fifty.
    """
    return column if column is sort else UnaryExpression(column, operator=custom_op("+"))


def _number_filters(run: Run, query: FeatureQuery, aside: Callable[[Any, Any], Any]) -> list[ColumnElement[bool]]:
    sort = _COLUMNS[query.sort]
    fired, peak = aside(FeatureRow.tokens_fired, sort), aside(FeatureRow.peak, sort)
    wanted = []
    if query.min_density is not None:
        wanted.append(fired >= query.min_density * run.tokens)
    if query.max_density is not None:
        wanted.append(fired <= query.max_density * run.tokens)
    if query.min_peak is not None:
        wanted.append(peak >= query.min_peak)
    if query.max_peak is not None:
        wanted.append(peak <= query.max_peak)
    if query.live is not None:
        wanted.append(fired > 0 if query.live else fired == 0)
    return wanted


def _other_filters(run: Run, query: FeatureQuery, aside: Callable[[Any, Any], Any]) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    if query.token is not None:
        wanted.append(aside(FeatureRow.top_token, _COLUMNS[query.sort]) == query.token)
    if query.token_contains:
        wanted.append(FeatureRow.top_token_text.contains(query.token_contains.casefold(), autoescape=True))
    if query.labelled is not None:
        named = and_(_labelling_of(run.dictionary_hash, FeatureRow.index), LabellingRow.label_id.is_not(None))
        labelled = exists().where(named).correlate(FeatureRow)
        wanted.append(labelled if query.labelled else ~labelled)
    return wanted


def _labelling_of(dictionary_hash: Any, index: Any) -> ColumnElement[bool]:
    return and_(LabellingRow.dictionary_hash == dictionary_hash, LabellingRow.index == index)


def _read(session: Session, statement: Select, query: FeatureQuery, cursor: Cursor | None) -> _Page:
    backwards = cursor is not None and cursor.backwards
    ascending = (query.order == "asc") != backwards
    column = _COLUMNS[query.sort]
    keys = (column,) if query.sort == "index" else (column, FeatureRow.index)
    if cursor is not None:
        statement = statement.where(_beyond(keys, cursor, ascending))
    ordered = statement.order_by(*(key.asc() if ascending else key.desc() for key in keys))
    rows = session.execute(ordered.limit(query.limit + 1)).all()
    more, rows = len(rows) > query.limit, rows[: query.limit]
    if not backwards:
        return _Page(rows, has_next=more, has_previous=cursor is not None and bool(rows))
    return _Page(rows[::-1], has_next=bool(rows), has_previous=more)


def _beyond(keys: tuple[Any, ...], cursor: Cursor, ascending: bool) -> ColumnElement[bool]:
    if len(keys) == 1:
        return keys[0] > cursor.index if ascending else keys[0] < cursor.index
    if isinstance(cursor.value, float) and keys[0] in (FeatureRow.tokens_fired, FeatureRow.top_token):
        raise BadQuery("This cursor does not fit the sort of the list. Start again at the first page.")
    place = tuple_(cursor.value, cursor.index)
    return tuple_(*keys) > place if ascending else tuple_(*keys) < place


def _cursor(row: Any, query: FeatureQuery, *, backwards: bool) -> str:
    value = getattr(row, _COLUMNS[query.sort].key) if query.sort != "index" else 0
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
