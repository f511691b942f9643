"""Writes contexts in blocks, and the names of the documents they come from."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalog.context_blocks import StoredContext, pack_block, split_batch, unpack_block
from catalog.errors import NotFound
from catalog.records import ContextBatch
from catalog.schema import ContextBlockRow, ContextSetRow, DocumentRow, HarvestRow
from catalog.writer.bulk import ShortTransactions
from catalog.writer.turns import take_turn
from catalog.writer.upserts import upsert

Blocks = dict[int, dict[int, StoredContext]]


def add_contexts(
    session: Session,
    harvest_id: str,
    batches: Iterable[ContextBatch],
    *,
    document_names: Mapping[int, str] | Sequence[str],
) -> int:
    """Stores contexts beside those that are there; how many were given."""
    context_set_id, corpus_id = _context_set(session, harvest_id)
    session.commit()
    transactions = ShortTransactions(session)
    named: set[int] = set()
    total = 0

    def write_blocks(given: Sequence[tuple[int, dict[int, StoredContext]]]) -> None:
        # What is there is read in the turn in which it is written: another harvest may be adding to the same blocks.
        take_turn(session, "contexts", context_set_id)
        blocks = dict(given)
        merged = _merge(_stored(session, context_set_id, blocks), blocks)
        upsert(session, ContextBlockRow, _block_rows(context_set_id, merged))

    def write_names(rows: Sequence[dict[str, Any]]) -> None:
        upsert(session, DocumentRow, rows)

    for batch in batches:
        total += len(batch.context_ids)
        documents = set(batch.document_ids.tolist()) - named
        named |= documents
        transactions.write(_document_rows(corpus_id, documents, document_names), write_names)
        transactions.write(sorted(split_batch(batch).items()), write_blocks)
    return total


def _context_set(session: Session, harvest_id: str) -> tuple[int, int]:
    query = (
        select(ContextSetRow.id, ContextSetRow.corpus_id)
        .join(HarvestRow, HarvestRow.context_set_id == ContextSetRow.id)
        .where(HarvestRow.key == harvest_id)
    )
    row = session.execute(query).one_or_none()
    if row is None:
        raise NotFound("harvest", harvest_id, known=session.scalars(select(HarvestRow.key)))
    return row[0], row[1]


def _document_rows(corpus_id: int, numbers: set[int], names: Mapping[int, str] | Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"corpus_id": corpus_id, "number": number, "name": names[number].replace("\x00", "")}
        for number in sorted(numbers)
    ]


def _stored(session: Session, context_set_id: int, wanted: Blocks) -> Blocks:
    query = select(ContextBlockRow.block, ContextBlockRow.payload)
    rows = session.execute(
        query.where(ContextBlockRow.context_set_id == context_set_id, ContextBlockRow.block.in_(wanted))
    )
    return {block: unpack_block(block, payload) for block, payload in rows}


def _merge(stored: Blocks, given: Blocks) -> Blocks:
    """The given blocks with what is stored already; those that bring nothing new are left out."""
    return {
        block: stored.get(block, {}) | contexts
        for block, contexts in given.items()
        if not contexts.keys() <= stored.get(block, {}).keys()
    }


def _block_rows(context_set_id: int, blocks: Blocks) -> list[dict[str, Any]]:
    return [
        {"context_set_id": context_set_id, "block": block, "payload": pack_block(contexts)}
        for block, contexts in blocks.items()
    ]
