"""Reads contexts: the blocks they are stored in and the names of their documents, where they are not kept already."""

from collections.abc import Container, Iterable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from catalog.among import among
from catalog.context_blocks import BLOCK_SIZE, OpenBlock, StoredContext, open_block
from catalog.errors import NotFound
from catalog.reader.harvests import unknown_harvest
from catalog.reader.kept_blocks import KeptBlocks
from catalog.records import ContextRecord
from catalog.schema import ContextBlockRow, ContextSetRow, DocumentRow, HarvestRow


def by_ids(session: Session, harvest_id: str, ids: Iterable[int], kept: KeptBlocks) -> Mapping[int, ContextRecord]:
    """The contexts of those ids. Only what is not kept is asked of the database."""
    wanted = dict.fromkeys(int(i) for i in ids)
    numbers = {i // BLOCK_SIZE for i in wanted}
    blocks = kept.blocks(harvest_id, numbers)
    stored = _contexts(blocks.values(), wanted)
    absent = {i // BLOCK_SIZE for i in wanted if i not in stored}
    if absent:
        stored |= _contexts(_read_blocks(session, harvest_id, absent, kept), wanted)
    missing = [i for i in wanted if i not in stored]
    if missing:
        raise _not_stored(session, harvest_id, missing[0])
    names = _document_names(session, harvest_id, {context.document_id for context in stored.values()}, kept)
    return {i: _record(i, stored[i], names) for i in wanted}


def _contexts(blocks: Iterable[OpenBlock], wanted: Container[int]) -> dict[int, StoredContext]:
    found: dict[int, StoredContext] = {}
    for block in blocks:
        found |= block.contexts(wanted)
    return found


def _read_blocks(session: Session, harvest_id: str, numbers: set[int], kept: KeptBlocks) -> list[OpenBlock]:
    """Straight on the connection: these rows are no objects of the session, and its part costs as much as the query."""
    rows = session.connection().execute(_blocks_query(), {"harvest": harvest_id, "blocks": list(numbers)})
    blocks = [open_block(row.block, row.payload) for row in rows]
    kept.keep_blocks(harvest_id, blocks)
    return blocks


def _document_names(session: Session, harvest_id: str, numbers: set[int], kept: KeptBlocks) -> dict[int, str]:
    names = kept.names(harvest_id, numbers)
    absent = numbers - names.keys()
    if absent:
        values = {"harvest": harvest_id, "numbers": list(absent)}
        read = {row.number: row.name for row in session.connection().execute(_names_query(), values)}
        kept.keep_names(harvest_id, read)
        names |= read
    return names


@cache
def _blocks_query() -> Any:
    """Blocks of contexts of a `harvest`, built once: building it costs more than running it."""
    contexts = select(HarvestRow.context_set_id).where(HarvestRow.key == bindparam("harvest")).scalar_subquery()
    return select(ContextBlockRow.block, ContextBlockRow.payload).where(
        ContextBlockRow.context_set_id == contexts, among(ContextBlockRow.block, "blocks")
    )


@cache
def _names_query() -> Any:
    """Names of documents of the corpus of a `harvest` by their `numbers`."""
    corpus = (
        select(ContextSetRow.corpus_id)
        .join(HarvestRow, HarvestRow.context_set_id == ContextSetRow.id)
        .where(HarvestRow.key == bindparam("harvest"))
        .scalar_subquery()
    )
    return select(DocumentRow.number, DocumentRow.name).where(
        DocumentRow.corpus_id == corpus, among(DocumentRow.number, "numbers")
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
