"""Reads contexts: the blocks they are stored in, then the names of their documents."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.orm import Session

from catalog.among import among
from catalog.context_blocks import BLOCK_SIZE, StoredContext, unpack_block
from catalog.errors import NotFound
from catalog.reader.harvests import unknown_harvest
from catalog.records import ContextRecord
from catalog.schema import ContextBlockRow, ContextSetRow, DocumentRow, HarvestRow


def by_ids(session: Session, harvest_id: str, ids: Iterable[int]) -> Mapping[int, ContextRecord]:
    """The contexts of those ids."""
    wanted = dict.fromkeys(int(i) for i in ids)
    if not wanted:
        return {}
    blocks = {i // BLOCK_SIZE for i in wanted}
    # Straight on the connection: these rows are no objects of the session, and its part costs as much as the query.
    connection = session.connection()
    rows = connection.execute(_blocks_query(), {"harvest": harvest_id, "blocks": list(blocks)}).all()
    stored: dict[int, StoredContext] = {}
    for row in rows:
        stored |= unpack_block(row.block, row.payload, wanted)
    missing = [i for i in wanted if i not in stored]
    if missing:
        raise _not_stored(session, harvest_id, missing[0])
    names = _document_names(connection, rows[0].corpus_id, {context.document_id for context in stored.values()})
    return {i: _record(i, stored[i], names) for i in wanted}


def _document_names(connection: Connection, corpus_id: int, numbers: set[int]) -> dict[int, str]:
    rows = connection.execute(_names_query(), {"corpus": corpus_id, "numbers": list(numbers)})
    return {row.number: row.name for row in rows}


@cache
def _blocks_query() -> Any:
    """Blocks of contexts of a `harvest`, built once: building it costs more than running it."""
    return (
        select(ContextBlockRow.block, ContextBlockRow.payload, ContextSetRow.corpus_id)
        .join(HarvestRow, HarvestRow.context_set_id == ContextBlockRow.context_set_id)
        .join(ContextSetRow, ContextSetRow.id == HarvestRow.context_set_id)
        .where(HarvestRow.key == bindparam("harvest"), among(ContextBlockRow.block, "blocks"))
    )


@cache
def _names_query() -> Any:
    """Names of documents of a `corpus` by their `numbers`."""
    return select(DocumentRow.number, DocumentRow.name).where(
        DocumentRow.corpus_id == bindparam("corpus"), among(DocumentRow.number, "numbers")
    )


def _record(context_id: int, stored: StoredContext, names: Mapping[int, str]) -> ContextRecord:
    return ContextRecord(
        id=context_id,
        document=names.get(stored.document_id, f"document {stored.document_id}"),
        document_id=stored.document_id,
        start=stored.start,
        token_ids=stored.token_ids,
    )


def _not_stored(session: Session, harvest_id: str, context_id: Any) -> NotFound:
    if session.scalar(select(HarvestRow.id).where(HarvestRow.key == harvest_id)) is None:
        return unknown_harvest(session, harvest_id)
    return NotFound(f"context of harvest {harvest_id!r} numbered", str(context_id))
