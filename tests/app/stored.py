"""Writes a synthetic harvest through the catalog's own writer, into a database built by the migrations."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from sqlalchemy import Engine

from catalog.engine import session_scope
from catalog.records import ContextBatch, ContextRecord, CorpusRecord, JobRecord, WorkerRecord
from catalog.revision import migrate
from catalog.tokens import Vocabulary
from catalog.writer import CatalogWriter
from tests.app.synthetic import MOMENT, SyntheticHarvest
from tests.app.synthetic_text import N_CTX

NEVER_HARVESTED = "not-yet"


def store(engine: Engine, harvested: SyntheticHarvest) -> None:
    """Everything of the harvest, and beside it a dictionary that nothing has been harvested of."""
    migrate(engine)
    record, tokenizer = harvested.harvest, harvested.tokenizer
    with session_scope(engine, write=True) as session:
        writer = CatalogWriter(session)
        writer.add_vocabulary(
            Vocabulary.of(harvested.model.tokenizer_hash, tokenizer.token_bytes, tokenizer.special_ids)
        )
        writer.add_model(harvested.model)
        writer.add_dictionary(harvested.dictionary)
        writer.add_dictionary(
            replace(harvested.dictionary, slug=NEVER_HARVESTED, name="Not Yet", hash="0" * 64, quality=None)
        )
        writer.add_corpus(_corpus(harvested))
        writer.add_harvest(replace(record, status="running", finished_at=None))
    with session_scope(engine, write=True) as session:
        names = {context.document_id: context.document for context in harvested.contexts}
        CatalogWriter(session).add_contexts(record.id, [batch_of(harvested.contexts)], document_names=names)
    with session_scope(engine, write=True) as session:
        CatalogWriter(session).write_features(record.id, harvested.dictionary.slug, harvested.features)
    with session_scope(engine, write=True) as session:
        writer = CatalogWriter(session)
        writer.write_summary(record.id, harvested.dictionary.slug, harvested.summary)
        writer.finish_harvest(record.id)


def store_jobs(engine: Engine) -> None:
    """A running job, a failed one and a worker that is up."""
    with session_scope(engine, write=True) as session:
        writer = CatalogWriter(session)
        writer.save_job(job())
        writer.save_job(job(id="b", status="failed", error="The disk is full.", finished_at=MOMENT))
        writer.heartbeat(WorkerRecord("w1", "bench", 4711, "0.1.0", "cpu", MOMENT, alive=True))


def job(**changes: object) -> JobRecord:
    """A harvest a quarter done."""
    base = JobRecord(
        id="a",
        kind="harvest",
        title="Harvest of the made-up sentences",
        status="running",
        done=250_000,
        total=1_000_000,
        unit="tokens",
        rate=12_500.0,
        seconds_left=60.0,
        message="",
        error=None,
        created_at=MOMENT,
        started_at=MOMENT,
        finished_at=None,
    )
    return replace(base, **changes)


def batch_of(contexts: Sequence[ContextRecord]) -> ContextBatch:
    """Contexts as the writer takes them, right-padded."""
    token_ids = np.ones((len(contexts), N_CTX), dtype=np.int64)
    for row, context in enumerate(contexts):
        token_ids[row, : len(context.token_ids)] = context.token_ids
    return ContextBatch(
        context_ids=np.array([context.id for context in contexts], dtype=np.int64),
        document_ids=np.array([context.document_id for context in contexts], dtype=np.int64),
        starts=np.array([context.start for context in contexts], dtype=np.int64),
        lengths=np.array([len(context.token_ids) for context in contexts], dtype=np.int64),
        token_ids=token_ids,
    )


def _corpus(harvested: SyntheticHarvest) -> CorpusRecord:
    return CorpusRecord(
        slug=harvested.harvest.corpus,
        name="Made-up sentences",
        hash="c" * 64,
        tokenizer_hash=harvested.model.tokenizer_hash,
        n_tokens=harvested.harvest.tokens,
        n_documents=harvested.harvest.n_documents,
        description={"kind": "made up"},
    )
