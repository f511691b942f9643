"""A migrated PostgreSQL catalog with a seeded model, a dictionary and a text corpus, for `benchmarks.workers`."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.harvest_world import Size, make_dictionary, make_model
from catalog.engine import make_engine
from catalog.revision import migrate
from catalog.settings import CatalogSettings
from worker.jobs.corpora import corpus_of
from worker.jobs.durable import migrate_jobs_database
from worker.jobs.ledger import Ledger
from worker.jobs.progress import Progress
from worker.jobs.register import add_dictionary, add_model
from worker.jobs.settings import WorkerSettings
from worker.jobs.store import open_store
from worker.sae import formats

WORDS = ("alpha", "beta", "gamma", "delta", "return", "import", "class", "self", "for", "while", "None", "range")
DOCUMENT_WORDS = 120


@dataclass(frozen=True, slots=True)
class World:
    """Where everything is. tokens: of the corpus. dictionary: its slug."""

    folder: Path
    settings: WorkerSettings
    ledger: Ledger
    dictionary: str
    corpus: Path
    tokens: int


def make_world(folder: Path, database_url: str, *, tokens: int, d_sae: int) -> World:
    """Everything a worker needs; the corpus is tokenised."""
    size = Size(d_sae=d_sae, tokens=tokens, dtype="float32")
    catalog = CatalogSettings(folder / "asking", database_url.replace("postgresql://", "postgresql+psycopg://", 1))
    settings = WorkerSettings(catalog=catalog, device="cpu", dtype="float32", store=str(folder / "shared"))
    engine = make_engine(catalog.database_url)
    migrate(engine)
    migrate_jobs_database(settings)
    ledger = Ledger(engine)
    model, _ = make_model(size, folder / "model")
    text = _write_text(folder / "corpus.jsonl", tokens)
    corpus = corpus_of(open_store(settings.store, settings.home), str(text), model.tokenizer, stages=_silent)
    contexts = corpus.contexts(n_ctx=size.n_ctx, prepend_bos=True)
    formats.save(make_dictionary(size, 0, model=model, contexts=contexts), folder / "dictionary")
    dictionary = formats.load(folder / "dictionary")
    slug = add_model(ledger, model, name="benchmark").slug
    record = add_dictionary(ledger, model, dictionary, source=str(folder / "dictionary"), model_slug=slug)
    return World(folder, settings, ledger, record.slug, text, int(contexts.lengths.sum()))


def _write_text(path: Path, tokens: int) -> Path:
    """Documents of seeded words, a byte a token, some `tokens` in all."""
    generator = np.random.default_rng(0)
    written = 0
    with path.open("w", encoding="utf-8") as file:
        while written < tokens:
            text = " ".join(WORDS[i] for i in generator.integers(len(WORDS), size=DOCUMENT_WORDS))
            file.write(json.dumps({"text": text}) + "\n")
            written += len(text)
    return path


def _silent(message: str, *, total: int, unit: str) -> Progress:
    return Progress(lambda _reading: None, total=total)
