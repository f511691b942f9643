"""Writes models, vocabularies, dictionaries and corpora: things known by their hashes."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from catalog.clock import now
from catalog.errors import NotFound
from catalog.records import CorpusRecord, DictionaryRecord, ModelRecord
from catalog.schema import CorpusRow, DictionaryRow, ModelRow, VocabularyRow
from catalog.slugs import unique_slug
from catalog.tokens import Vocabulary


def add_model(session: Session, record: ModelRecord) -> str:
    """Adds a model, known by the hashes of its weights and its tokenizer."""
    same = (ModelRow.weights_hash == record.weights_hash, ModelRow.tokenizer_hash == record.tokenizer_hash)
    known = session.scalar(select(ModelRow.slug).where(*same))
    return known or _add(session, ModelRow, _fields(record), wished=record.slug or record.name)


def add_vocabulary(session: Session, vocabulary: Vocabulary) -> None:
    """Adds a vocabulary, known by its tokenizer's hash."""
    same = VocabularyRow.tokenizer_hash == vocabulary.tokenizer_hash
    if session.scalar(select(VocabularyRow.id).where(same)) is None:
        payload = vocabulary.to_bytes()
        row = VocabularyRow(tokenizer_hash=vocabulary.tokenizer_hash, n_tokens=len(vocabulary), payload=payload)
        session.add(row)
        session.flush()


def add_dictionary(session: Session, record: DictionaryRecord) -> str:
    """Adds a dictionary, known by its hash."""
    known = session.scalar(select(DictionaryRow.slug).where(DictionaryRow.hash == record.hash))
    if known is not None:
        return known
    model_id = session.scalar(select(ModelRow.id).where(ModelRow.slug == record.model))
    if model_id is None:
        raise NotFound("model", record.model, known=session.scalars(select(ModelRow.slug)))
    fields = _fields(record) | {"model_id": model_id}
    del fields["model"], fields["harvest"]
    return _add(session, DictionaryRow, fields, wished=record.slug or record.name)


def set_quality(session: Session, slug: str, quality: Mapping[str, Any]) -> None:
    """Writes down how good a dictionary is."""
    query = update(DictionaryRow).where(DictionaryRow.slug == slug).values(quality=dict(quality))
    if session.execute(query.returning(DictionaryRow.id)).first() is None:
        raise NotFound("dictionary", slug, known=session.scalars(select(DictionaryRow.slug)))


def add_corpus(session: Session, record: CorpusRecord) -> str:
    """Adds a corpus, known by its hash."""
    known = session.scalar(select(CorpusRow.slug).where(CorpusRow.hash == record.hash))
    return known or _add(session, CorpusRow, _fields(record), wished=record.slug or record.name)


def _add(session: Session, kind: Any, fields: dict[str, Any], *, wished: str) -> str:
    def is_taken(slug: str) -> bool:
        return session.scalar(select(kind.id).where(kind.slug == slug)) is not None

    slug = unique_slug(wished, is_taken)
    session.add(kind(**(fields | {"slug": slug, "created_at": now()})))
    session.flush()
    return slug


def _fields(record: Any) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in record.__dataclass_fields__}
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items()}
