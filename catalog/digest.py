"""A digest of what the catalog says: the same for the same results, whatever was killed, resumed or moved meanwhile.

Taken over canonical rows: numbers of rows, times, and the names of jobs and attempts are left out, what one row says of
another is said by hashes, and everything goes in the order of its content. So SQLite and PostgreSQL agree, too. Only
finished harvests count. Nothing is held in memory but some hundred rows at a time.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from catalog.among import among
from catalog.context_blocks import unpack_block
from catalog.packing import inflated
from catalog.schema import (
    ContextBlockRow,
    ContextSetRow,
    CorpusRow,
    DictionaryRow,
    DocumentRow,
    ExampleRow,
    FeaturePageRow,
    FeatureRow,
    HarvestRow,
    HarvestTokensRow,
    LabelRow,
    ModelRow,
    PersonRow,
    RunRow,
    VocabularyRow,
)

FINISHED = ("complete", "replaced")
ROWS_AT_ONCE = 256
_UNSAID = frozenset({"id", "run_id", "harvest_id", "dictionary_id", "model_id", "corpus_id", "context_set_id"})
_TIMES = frozenset({"created_at", "finished_at", "key", "job_id"})
# Of a harvest's plan: what decides how the work is shared out and no number.
_OF_THE_WORK = frozenset({"passes", "memory_limit"})
Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class TableDigest:
    """SHA-256 over the rows of one table."""

    table: str
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class CatalogDigest:
    """SHA-256 over all tables, in their order, and each table's own, so that a difference can be traced."""

    sha256: str
    tables: tuple[TableDigest, ...]


def catalog_digest(session: Session, *, on_progress: Progress | None = None) -> CatalogDigest:
    """The digest of everything a catalog says. on_progress: told a table's name and the rows done, now and then."""
    sources: dict[str, Callable[[Session], Iterable[Any]]] = {
        "model": _models,
        "vocabulary": _vocabularies,
        "dictionary": _dictionaries,
        "label": _labels,
        "example": _examples,
        "corpus": _corpora,
        "context": _contexts,
        "harvest": _harvests,
        "harvest_tokens": _token_counts,
        "feature": _features,
        "feature_page": _pages,
    }
    tables = tuple(_table(name, rows(session), on_progress) for name, rows in sources.items())
    lines = "".join(f"{table.table} {table.rows} {table.sha256}\n" for table in tables)
    return CatalogDigest(hashlib.sha256(lines.encode()).hexdigest(), tables)


def _table(name: str, rows: Iterable[Any], on_progress: Progress | None) -> TableDigest:
    hashed, count = hashlib.sha256(), 0
    for count, row in enumerate(rows, start=1):
        hashed.update(_line(row))
        if on_progress is not None and count % 1000 == 0:
            on_progress(name, count)
    return TableDigest(name, count, hashed.hexdigest())


def _line(row: Any) -> bytes:
    return json.dumps(row, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=_bytes).encode() + b"\n"


def _bytes(value: Any) -> str:
    return hashlib.sha256(value).hexdigest()


def _said(row: Any) -> dict[str, Any]:
    """The columns of a row that mean the same in every catalog."""
    names = (column.name for column in row.__table__.columns)
    return {name: getattr(row, name) for name in names if name not in _UNSAID | _TIMES}


def _in_order(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=_line)


def _models(session: Session) -> list[dict[str, Any]]:
    return _in_order(_said(row) for row in session.scalars(select(ModelRow)))


def _vocabularies(session: Session) -> list[dict[str, Any]]:
    return _in_order(_said(row) for row in session.scalars(select(VocabularyRow)))


def _dictionaries(session: Session) -> list[dict[str, Any]]:
    query = select(DictionaryRow, ModelRow.weights_hash).join(ModelRow, ModelRow.id == DictionaryRow.model_id)
    return _in_order(_said(row) | {"model": model} for row, model in session.execute(query))


def _corpora(session: Session) -> list[dict[str, Any]]:
    return _in_order(_said(row) for row in session.scalars(select(CorpusRow)))


def _labels(session: Session) -> Iterator[dict[str, Any]]:
    """The labels of each feature in the order in which they were given: what each says, and whose it is.

    Votes, notes and history are talk about labels and left out.
    """
    columns = (LabelRow.dictionary_hash, LabelRow.index, LabelRow.text, PersonRow.name.label("author"))
    said = select(*columns).join(PersonRow, PersonRow.id == LabelRow.author_id).order_by(LabelRow.index, LabelRow.id)
    for identity in sorted(session.scalars(select(LabelRow.dictionary_hash).distinct())):
        mine = said.where(LabelRow.dictionary_hash == identity)
        for row in session.execute(mine.execution_options(yield_per=ROWS_AT_ONCE)):
            yield dict(row._mapping)


def _examples(session: Session) -> Iterator[dict[str, Any]]:
    """The examples of each feature in the order in which they were pinned."""
    for identity in sorted(session.scalars(select(ExampleRow.dictionary_hash).distinct())):
        mine = select(ExampleRow).where(ExampleRow.dictionary_hash == identity)
        ordered = mine.order_by(ExampleRow.index, ExampleRow.id)
        for row in session.scalars(ordered.execution_options(yield_per=ROWS_AT_ONCE)):
            yield _said(row)


def _contexts(session: Session) -> Iterator[list[Any]]:
    """Every context stored for finished harvests, by its number in its set, with the name of its document."""
    query = select(ContextSetRow.id, ContextSetRow.corpus_id, CorpusRow.hash, ContextSetRow.n_ctx)
    used = exists().where(HarvestRow.context_set_id == ContextSetRow.id, HarvestRow.status.in_(FINISHED))
    joined = query.add_columns(ContextSetRow.conventions).join(CorpusRow, CorpusRow.id == ContextSetRow.corpus_id)
    sets = session.execute(joined.where(used))
    for set_id, corpus_id, *cut in sorted((tuple(row) for row in sets), key=lambda row: row[2:]):
        blocks = select(ContextBlockRow.block, ContextBlockRow.payload).where(ContextBlockRow.context_set_id == set_id)
        rows = session.execute(blocks.order_by(ContextBlockRow.block).execution_options(yield_per=ROWS_AT_ONCE))
        for portion in _portions(rows):
            stored = [item for row in portion for item in sorted(unpack_block(row.block, row.payload).items())]
            names = _document_names(session, corpus_id, {context.document_id for _, context in stored})
            for number, context in stored:
                place = [context.document_id, names.get(context.document_id), context.start]
                yield [*cut, number, *place, context.token_ids.astype("<i8").tobytes()]


def _document_names(session: Session, corpus_id: int, numbers: set[int]) -> dict[int, str]:
    query = select(DocumentRow.number, DocumentRow.name).where(DocumentRow.corpus_id == corpus_id)
    rows = session.execute(query.where(among(DocumentRow.number, "numbers")), {"numbers": sorted(numbers)})
    return {row.number: row.name for row in rows}


@dataclass(frozen=True, slots=True)
class _Finished:
    """A finished harvest: what it says of itself, and the numbers of its rows."""

    said: dict[str, Any]
    harvest_id: int
    run_ids: tuple[int, ...]


def _finished(session: Session) -> list[_Finished]:
    """In the order of what they say."""
    query = (
        select(HarvestRow, ModelRow.weights_hash, CorpusRow.hash, ContextSetRow.n_ctx, ContextSetRow.conventions)
        .join(ModelRow, ModelRow.id == HarvestRow.model_id)
        .join(ContextSetRow, ContextSetRow.id == HarvestRow.context_set_id)
        .join(CorpusRow, CorpusRow.id == ContextSetRow.corpus_id)
        .where(HarvestRow.status.in_(FINISHED))
    )
    found = []
    for row, *read in session.execute(query):
        runs = _runs(session, row.id)
        said = _said(row) | {"read": read, "runs": [[identity, summary] for _, identity, summary in runs]}
        said["plan"] = {name: value for name, value in row.plan.items() if name not in _OF_THE_WORK}
        found.append(_Finished(said, row.id, tuple(run_id for run_id, *_ in runs)))
    return sorted(found, key=lambda harvest: _line(harvest.said))


def _runs(session: Session, harvest_id: int) -> list[Any]:
    query = select(RunRow.id, DictionaryRow.hash, RunRow.summary)
    joined = query.join(DictionaryRow, DictionaryRow.id == RunRow.dictionary_id)
    return list(session.execute(joined.where(RunRow.harvest_id == harvest_id).order_by(RunRow.place)))


def _harvests(session: Session) -> Iterator[dict[str, Any]]:
    return (harvest.said for harvest in _finished(session))


def _token_counts(session: Session) -> Iterator[bytes | None]:
    for harvest in _finished(session):
        counts = select(HarvestTokensRow.payload).where(HarvestTokensRow.harvest_id == harvest.harvest_id)
        yield session.scalar(counts)


def _features(session: Session) -> Iterator[list[Any]]:
    columns = [column for column in FeatureRow.__table__.columns if column.name != "run_id"]
    for run_id in _run_ids(session):
        query = select(*columns).where(FeatureRow.run_id == run_id).order_by(FeatureRow.index)
        for row in session.execute(query.execution_options(yield_per=ROWS_AT_ONCE)):
            yield list(row)


def _pages(session: Session) -> Iterator[list[Any]]:
    """Packed values as they were before they were deflated, which every library does in its own way."""
    for run_id in _run_ids(session):
        query = select(FeaturePageRow.index, FeaturePageRow.payload).where(FeaturePageRow.run_id == run_id)
        rows = session.execute(query.order_by(FeaturePageRow.index).execution_options(yield_per=ROWS_AT_ONCE))
        for row in rows:
            yield [row.index, *inflated(row.payload)]


def _run_ids(session: Session) -> Iterator[int]:
    return (run_id for harvest in _finished(session) for run_id in harvest.run_ids)


def _portions(rows: Iterable[Any]) -> Iterator[list[Any]]:
    stream = iter(rows)
    while portion := list(islice(stream, ROWS_AT_ONCE)):
        yield portion
