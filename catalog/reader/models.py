"""Reads models, corpora and vocabularies."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalog.errors import NotFound
from catalog.records import CorpusRecord, ModelRecord
from catalog.schema import CorpusRow, ModelRow, VocabularyRow
from catalog.tokens import Vocabulary


def all_models(session: Session) -> list[ModelRecord]:
    """Every model, by name."""
    return [_model(row) for row in session.scalars(select(ModelRow).order_by(ModelRow.slug))]


def one_model(session: Session, slug: str) -> ModelRecord:
    """The model of that slug."""
    row = session.scalar(select(ModelRow).where(ModelRow.slug == slug))
    if row is None:
        raise NotFound("model", slug, known=session.scalars(select(ModelRow.slug)))
    return _model(row)


def all_corpora(session: Session) -> list[CorpusRecord]:
    """Every corpus, by name."""
    return [_corpus(row) for row in session.scalars(select(CorpusRow).order_by(CorpusRow.slug))]


def one_corpus(session: Session, slug: str) -> CorpusRecord:
    """The corpus of that slug."""
    row = session.scalar(select(CorpusRow).where(CorpusRow.slug == slug))
    if row is None:
        raise NotFound("corpus", slug, known=session.scalars(select(CorpusRow.slug)))
    return _corpus(row)


def vocabulary(session: Session, tokenizer_hash: str) -> Vocabulary:
    """The vocabulary of that tokenizer."""
    query = select(VocabularyRow.payload).where(VocabularyRow.tokenizer_hash == tokenizer_hash)
    payload = session.scalar(query)
    if payload is None:
        raise NotFound("vocabulary of tokenizer", tokenizer_hash, hint="Add its model again: featurescope add-model.")
    return Vocabulary.from_bytes(tokenizer_hash, payload)


def _model(row: ModelRow) -> ModelRecord:
    names = ModelRecord.__dataclass_fields__
    return ModelRecord(**{name: getattr(row, name) for name in names})


def _corpus(row: CorpusRow) -> CorpusRecord:
    names = CorpusRecord.__dataclass_fields__
    return CorpusRecord(**{name: getattr(row, name) for name in names})
