"""Reads harvests: which one a dictionary shows, and what each says of the whole."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, String, case, cast, func, select
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.elements import ColumnElement

from catalog.errors import NotFound
from catalog.records import DictionarySummary, HarvestRecord
from catalog.schema import ContextSetRow, CorpusRow, DictionaryRow, HarvestRow, HarvestTokensRow, ModelRow, RunRow
from catalog.varints import decode_varints

SHOWN = ("complete", "preview", "running", "paused")
_SEPARATOR = ","


def shown_run(dictionary_id: ColumnElement[int] | Any) -> Any:
    """The id of the run that a dictionary shows: of its newest complete harvest, else preview, else unfinished one.

    One of some features only stands behind one of all that is as far.
    """
    run, harvest = aliased(RunRow), aliased(HarvestRow)
    unfinished = case((harvest.status == "complete", 0), (harvest.status == "preview", 2), else_=4)
    unfinished += case((harvest.features.is_(None), 0), else_=1)
    query = (
        select(run.id)
        .join(harvest, harvest.id == run.harvest_id)
        .where(run.dictionary_id == dictionary_id, harvest.status.in_(SHOWN))
        .order_by(unfinished, harvest.id.desc())
        .limit(1)
    )
    return query.correlate_except(run, harvest).scalar_subquery()


def harvest_columns(harvest: Any) -> tuple[Any, ...]:
    """What `harvest_record` needs of a harvest table or an alias of it, as columns of one query."""
    model = select(ModelRow.slug).where(ModelRow.id == harvest.model_id).correlate(harvest).scalar_subquery()
    corpus = (
        select(CorpusRow.slug)
        .join(ContextSetRow, ContextSetRow.corpus_id == CorpusRow.id)
        .where(ContextSetRow.id == harvest.context_set_id)
        .correlate(harvest)
        .scalar_subquery()
    )
    n_ctx = select(ContextSetRow.n_ctx).where(ContextSetRow.id == harvest.context_set_id).correlate(harvest)
    dictionary, run = aliased(DictionaryRow), aliased(RunRow)
    placed = cast(run.place, String) + ":" + dictionary.slug
    names = (
        select(func.aggregate_strings(placed, _SEPARATOR))
        .select_from(run)
        .join(dictionary, dictionary.id == run.dictionary_id)
        .where(run.harvest_id == harvest.id)
        .correlate(harvest)
        .scalar_subquery()
    )
    return harvest, model, corpus, n_ctx.scalar_subquery(), names


def harvest_record(row: HarvestRow, model: str, corpus: str, *, n_ctx: int, dictionaries: str | None) -> HarvestRecord:
    """The record of a harvest from what `harvest_columns` selected."""
    placed = [name.split(":", 1) for name in (dictionaries or "").split(_SEPARATOR) if name]
    slugs = tuple(slug for _, slug in sorted(placed, key=lambda pair: int(pair[0])))
    own = ("status", "job_id", "features", "tokens_done", "tokens", "n_contexts", "n_documents", "plan", "provenance")
    times = ("created_at", "finished_at", "error")
    return HarvestRecord(
        id=row.key,
        model=model,
        corpus=corpus,
        dictionaries=slugs,
        n_ctx=n_ctx,
        **{name: getattr(row, name) for name in (*own, *times)},
    )


def one_harvest(session: Session, harvest_id: str) -> HarvestRecord:
    """The harvest of that id."""
    found = _records(session, _select().where(HarvestRow.key == harvest_id))
    if not found:
        raise unknown_harvest(session, harvest_id)
    return found[0]


def all_harvests(session: Session, dictionary_slug: str | None) -> list[HarvestRecord]:
    """The harvests of a dictionary, or all, newest first."""
    query = _select().order_by(HarvestRow.id.desc())
    if dictionary_slug is not None:
        query = (
            query.join(RunRow, RunRow.harvest_id == HarvestRow.id)
            .join(DictionaryRow, DictionaryRow.id == RunRow.dictionary_id)
            .where(DictionaryRow.slug == dictionary_slug)
        )
    return _records(session, query)


def summary(session: Session, harvest_id: str, dictionary_slug: str) -> DictionarySummary | None:
    """What a harvest says of a whole dictionary."""
    query = (
        select(RunRow.summary)
        .join(HarvestRow, HarvestRow.id == RunRow.harvest_id)
        .join(DictionaryRow, DictionaryRow.id == RunRow.dictionary_id)
        .where(HarvestRow.key == harvest_id, DictionaryRow.slug == dictionary_slug)
    )
    stored = session.scalar(query)
    if stored is None:
        return None
    ragged: dict[str, Any] = {name: tuple(stored[name]) for name in ("density_edges", "density_counts")}
    return DictionarySummary(**(stored | ragged))


def token_counts(session: Session, harvest_id: str) -> NDArray[np.int64] | None:
    """How often each token id occurs in a harvest."""
    query = select(HarvestTokensRow.payload).join(HarvestRow, HarvestRow.id == HarvestTokensRow.harvest_id)
    payload = session.scalar(query.where(HarvestRow.key == harvest_id))
    return None if payload is None else decode_varints(payload)


def unknown_harvest(session: Session, harvest_id: str, *, dictionary_slug: str | None = None) -> NotFound:
    """The error for a harvest that is not there, or not one of the dictionary."""
    known = [harvest.id for harvest in all_harvests(session, dictionary_slug)]
    listed = f"Its harvests: {', '.join(known[:5])}." if known and dictionary_slug else ""
    kind = "harvest" if dictionary_slug is None else f"harvest of dictionary {dictionary_slug!r} named"
    return NotFound(kind, harvest_id, known=known, hint=listed)


def _select() -> Select:
    return select(*harvest_columns(HarvestRow))


def _records(session: Session, query: Select) -> list[HarvestRecord]:
    return [
        harvest_record(row, model, corpus, n_ctx=n_ctx, dictionaries=names)
        for row, model, corpus, n_ctx, names in session.execute(query)
    ]
