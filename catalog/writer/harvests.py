"""Writes harvests: their beginning, progress and end, and what each says of the whole."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, select
from sqlalchemy import update as sql_update
from sqlalchemy.orm import Session

from catalog.clock import now
from catalog.errors import BadRecord, NotFound
from catalog.records import DictionarySummary, HarvestRecord, HarvestStatus
from catalog.schema import (
    ContextSetRow,
    CorpusRow,
    DictionaryRow,
    HarvestRow,
    HarvestTokensRow,
    ModelRow,
    RunRow,
    ShardProgressRow,
)
from catalog.varints import encode_varints
from catalog.writer.previews import mark_stopped
from catalog.writer.upserts import upsert

_COUNTED = ("tokens_done", "tokens", "n_contexts", "n_documents")
_AS_GIVEN = ("status", "job_id", "features", *_COUNTED, "finished_at", "error")
_TOTALS = ("tokens", "tokens_done", "n_contexts", "n_documents")


def add_harvest(session: Session, record: HarvestRecord) -> str:
    """Adds a harvest with a run for each of its dictionaries."""
    if record.id and session.scalar(select(HarvestRow.id).where(HarvestRow.key == record.id)) is not None:
        return record.id
    dictionaries = _dictionaries(session, record)
    key = record.id or uuid.uuid4().hex[:12]
    row = HarvestRow(
        key=key,
        model_id=_id_of(session, ModelRow, record.model, "model"),
        context_set_id=_context_set(session, record, dictionaries),
        plan=dict(record.plan),
        provenance=dict(record.provenance),
        created_at=record.created_at or now(),
        **{name: getattr(record, name) for name in _AS_GIVEN},
    )
    session.add(row)
    session.flush()
    places = enumerate(dictionaries)
    session.add_all(RunRow(harvest_id=row.id, dictionary_id=found.id, place=place) for place, found in places)
    session.flush()
    return key


def update(session: Session, harvest_id: str, values: Mapping[str, Any]) -> None:
    """Changes columns of a harvest."""
    query = sql_update(HarvestRow).where(HarvestRow.key == harvest_id).values(**values)
    if session.execute(query.returning(HarvestRow.id)).first() is None:
        raise NotFound("harvest", harvest_id, known=session.scalars(select(HarvestRow.key)))


def add_provenance(session: Session, harvest_id: str, facts: Mapping[str, Any]) -> None:
    """Adds to what a harvest says of where its numbers come from; what is there under the same names is overwritten."""
    row = session.get(HarvestRow, internal_id(session, harvest_id))
    if row is not None:
        row.provenance = {**row.provenance, **facts}
        session.flush()


def finish(
    session: Session, harvest_id: str, *, status: HarvestStatus, error: str | None, totals: Mapping[str, int]
) -> None:
    """Ends a harvest, and marks those that it replaces."""
    unknown = [name for name in totals if name not in _TOTALS]
    if unknown:
        raise BadRecord(f"A harvest has no total {unknown[0]!r}; it has {', '.join(_TOTALS)}.")
    values: dict[str, Any] = {**totals, "status": status, "error": error, "finished_at": now()}
    if status == "complete":
        values.setdefault("tokens_done", totals.get("tokens", HarvestRow.tokens))
    update(session, harvest_id, values)
    session.execute(delete(ShardProgressRow).where(ShardProgressRow.harvest_id == harvest_id))
    if status == "complete":
        _mark_replaced(session, harvest_id)
    elif status in ("failed", "cancelled"):
        mark_stopped(session, harvest_id, status)


def write_summary(session: Session, harvest_id: str, slug: str, summary: DictionarySummary) -> None:
    """What a harvest says of a whole dictionary."""
    values = {name: getattr(summary, name) for name in summary.__dataclass_fields__}
    ragged = {name: list(values[name]) for name in ("density_edges", "density_counts")}
    run_id = _run_id(session, harvest_id, slug)
    session.execute(sql_update(RunRow).where(RunRow.id == run_id).values(summary=values | ragged))


def set_token_counts(session: Session, harvest_id: str, counts: NDArray[np.integer]) -> None:
    """How often each token id occurs in a harvest."""
    row = {"harvest_id": internal_id(session, harvest_id), "payload": encode_varints(counts.astype(np.int64))}
    upsert(session, HarvestTokensRow, [row])


def internal_id(session: Session, harvest_id: str) -> int:
    """The number of a harvest's row."""
    found = session.scalar(select(HarvestRow.id).where(HarvestRow.key == harvest_id))
    if found is None:
        raise NotFound("harvest", harvest_id, known=session.scalars(select(HarvestRow.key)))
    return found


def _run_id(session: Session, harvest_id: str, slug: str) -> int:
    query = (
        select(RunRow.id)
        .join(DictionaryRow, DictionaryRow.id == RunRow.dictionary_id)
        .where(RunRow.harvest_id == internal_id(session, harvest_id), DictionaryRow.slug == slug)
    )
    found = session.scalar(query)
    if found is None:
        raise NotFound(f"dictionary in harvest {harvest_id!r} named", slug)
    return found


def _dictionaries(session: Session, record: HarvestRecord) -> list[DictionaryRow]:
    rows = session.scalars(select(DictionaryRow).where(DictionaryRow.slug.in_(record.dictionaries)))
    found = {row.slug: row for row in rows}
    for slug in record.dictionaries:
        if slug not in found:
            raise NotFound("dictionary", slug, known=session.scalars(select(DictionaryRow.slug)))
    if not found:
        raise BadRecord(f"Harvest {record.id!r} has no dictionary; it needs at least one.")
    return [found[slug] for slug in record.dictionaries]


def _context_set(session: Session, record: HarvestRecord, dictionaries: list[DictionaryRow]) -> int:
    corpus_id = _id_of(session, CorpusRow, record.corpus, "corpus")
    prepends = {bool(row.conventions.get("prepend_bos", False)) for row in dictionaries}
    if len(prepends) > 1:
        raise BadRecord(f"Harvest {record.id!r} has dictionaries with and without BOS; they cannot share contexts.")
    conventions = "BOS first" if prepends.pop() else "no BOS"
    if record.so_far is not None:
        # A preview's contexts are its own, so that they go with it.
        conventions += f", {record.id}"
    key = {"corpus_id": corpus_id, "n_ctx": record.n_ctx, "conventions": conventions}
    query = select(ContextSetRow.id).filter_by(**key)
    known = session.scalar(query)
    if known is None:
        session.add(ContextSetRow(**key))
        session.flush()
        known = session.scalars(query).one()
    return known


def _mark_replaced(session: Session, harvest_id: str) -> None:
    """Marks earlier complete harvests all of whose dictionaries this one has, of the same features and contexts."""
    mine = session.scalars(select(HarvestRow).where(HarvestRow.key == harvest_id)).one()
    before = select(HarvestRow.id).where(
        HarvestRow.context_set_id == mine.context_set_id, HarvestRow.status == "complete", HarvestRow.id < mine.id
    )
    _replace(session, mine.id, session.scalars(before).all())


def mark_replaced(session: Session, harvest_id: str, earlier: str) -> None:
    """Marks a complete harvest all of whose dictionaries another has, whatever it went through."""
    query = select(HarvestRow.id).where(HarvestRow.key == earlier, HarvestRow.status == "complete")
    _replace(session, internal_id(session, harvest_id), session.scalars(query).all())


def _replace(session: Session, mine: int, earlier: Sequence[int]) -> None:
    have = set(session.scalars(select(RunRow.dictionary_id).where(RunRow.harvest_id == mine)))
    same_features = select(HarvestRow.features).where(HarvestRow.id == mine).scalar_subquery()
    for each in earlier:
        theirs = set(session.scalars(select(RunRow.dictionary_id).where(RunRow.harvest_id == each)))
        if theirs <= have:
            session.execute(
                sql_update(HarvestRow)
                .where(HarvestRow.id == each, HarvestRow.features.is_not_distinct_from(same_features))
                .values(status="replaced")
            )


def _id_of(session: Session, kind: Any, slug: str, noun: str) -> int:
    found = session.scalar(select(kind.id).where(kind.slug == slug))
    if found is None:
        raise NotFound(noun, slug, known=session.scalars(select(kind.slug)))
    return found
