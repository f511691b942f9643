"""Writes labels."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalog.clock import now
from catalog.errors import BadRecord, NotFound
from catalog.schema import DictionaryRow, LabelRow

LONGEST_LABEL = 500


def add_label(session: Session, place: tuple[str, int], *, text: str, author: str) -> int:
    """Adds a label to the feature of that index in the dictionary of that slug."""
    slug, index = place
    dictionary = session.scalar(select(DictionaryRow).where(DictionaryRow.slug == slug))
    if dictionary is None:
        raise NotFound("dictionary", slug, known=session.scalars(select(DictionaryRow.slug)))
    if not 0 <= index < dictionary.d_sae:
        raise NotFound("feature", str(index), hint=f"Dictionary {slug!r} has features 0 to {dictionary.d_sae - 1}.")
    text = " ".join(text.replace("\x00", "").split())
    if not 1 <= len(text) <= LONGEST_LABEL:
        raise BadRecord(f"A label has {len(text)} characters; expected 1 to {LONGEST_LABEL}.")
    row = LabelRow(dictionary_hash=dictionary.hash, index=index, text=text, author=author, created_at=now())
    session.add(row)
    session.flush()
    return row.id
