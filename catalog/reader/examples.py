"""Reads the texts that are pinned to features."""

import zlib
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from catalog.errors import CorruptRow
from catalog.live_answers import read_live_answer
from catalog.records import ExampleRecord
from catalog.schema import ExampleRow


def of_feature(session: Session, dictionary_hash: str, index: int) -> list[ExampleRecord]:
    """Every example of a feature, newest first."""
    query = select(ExampleRow).where(ExampleRow.dictionary_hash == dictionary_hash, ExampleRow.index == index)
    return [_record(row) for row in session.scalars(query.order_by(ExampleRow.id.desc()))]


def number_of(dictionary_hash: Any, index: Any) -> Any:
    """How many examples a feature has, as a part of another query."""
    mine = (ExampleRow.dictionary_hash == dictionary_hash) & (ExampleRow.index == index)
    return select(func.count()).select_from(ExampleRow).where(mine).correlate_except(ExampleRow).scalar_subquery()


def _record(row: ExampleRow) -> ExampleRecord:
    try:
        answer = read_live_answer(zlib.decompress(row.payload))
    except zlib.error as error:
        raise CorruptRow(f"Example {row.id} is damaged: {error}.") from error
    (found,) = answer.results
    return ExampleRecord(
        id=row.id,
        dictionary_hash=row.dictionary_hash,
        index=row.index,
        text=row.text,
        author=row.author,
        created_at=row.created_at,
        token_ids=found.token_ids,
        positions=found.positions,
        activations=found.activations,
        facts=answer.facts,
    )
