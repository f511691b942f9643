"""Random but sound feature records and the rest of a small catalog, for the tests of this folder."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from sqlalchemy import Engine

from catalog.engine import session_scope
from catalog.records import (
    Bands,
    Coactivation,
    ContextBatch,
    ContextSet,
    Controls,
    CorpusRecord,
    DictionaryRecord,
    FeatureRecord,
    HarvestRecord,
    LogitEffects,
    ModelRecord,
    Reserve,
    TokenStatistics,
)
from catalog.tokens import Vocabulary
from catalog.writer import CatalogWriter

N_CONTEXTS = 200
N_CTX = 16
N_TOKENS = 3_000
D_SAE = 40
D_VOCAB = 300
WORDS = [f" word{number}".encode() for number in range(D_VOCAB - 1)]
VOCABULARY = Vocabulary.of("tokenizer-hash", [b"<bos>", *WORDS], frozenset({0}))


def context_set(rng: np.random.Generator, rows: int, peak: float) -> ContextSet:
    """Contexts with their firing positions; peaks are the greatest activation of each."""
    sizes = rng.integers(1, 5, rows)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    positions = [np.sort(rng.choice(N_CTX, size, replace=False)) for size in sizes]
    activations = rng.uniform(0, peak, offsets[-1]).astype(np.float32).clip(1e-9, np.float32(peak))
    peaks = np.array([activations[a:b].max() for a, b in pairwise(offsets)], np.float32)
    ids = rng.choice(N_CONTEXTS, rows, replace=False).astype(np.int64)
    return ContextSet(ids, peaks, offsets, np.concatenate([np.zeros(0, np.int64), *positions]), activations)


def controls(rng: np.random.Generator, rows: int) -> Controls:
    ids = rng.choice(N_CONTEXTS, rows, replace=False).astype(np.int64)
    return Controls(ids, rng.integers(0, 3, rows).astype(np.uint8), rng.integers(-1, 300, rows))


def statistics(rng: np.random.Generator, rows: int) -> TokenStatistics:
    columns = [rng.uniform(0, 1, rows).astype(np.float32) for _ in range(6)]
    columns[2] *= 1_000
    return TokenStatistics(rng.choice(D_VOCAB, rows, replace=False).astype(np.int64), *columns)


def logits(rng: np.random.Generator) -> LogitEffects:
    strong = -np.sort(-rng.uniform(0, 3, 10)).astype(np.float32)
    ids = rng.integers(0, D_VOCAB, 10)
    return LogitEffects(ids, strong, ids[::-1].copy(), -strong, -3.5, 3.5, rng.integers(0, 50, 20))


def feature(
    index: int, *, seed: int | None = None, fired: int | None = None, with_logits: bool = True
) -> FeatureRecord:
    """A live feature unless fired is 0; everything else of it is drawn by the seed, else by the index."""
    rng = np.random.default_rng(index if seed is None else seed)
    fired = int(rng.integers(60, 900)) if fired is None else fired
    alive = fired > 0
    peak = float(np.float32(rng.uniform(0.5, 20))) if alive else 0.0
    fifths = [np.sort(rng.uniform(0, 1, 5).astype(np.float32)) * alive for _ in range(4)]
    bins = np.sort(rng.choice(np.arange(300, 420), 30, replace=False)).astype(np.int64)
    n = 5 * alive
    by_position = rng.integers(0, 90, 8) * alive
    return FeatureRecord(
        index=index,
        tokens_fired=fired,
        contexts_fired=fired // 3,
        documents_fired=fired // 9,
        activation_sum=fired * peak / 3,
        activation_sum_squares=fired * peak**2 / 7,
        peak=peak,
        histogram_bins=bins if alive else bins[:0],
        histogram_counts=rng.integers(1, 900, 30) if alive else bins[:0],
        top=context_set(rng, 4 * n, peak),
        bands=Bands(
            *fifths, np.repeat(np.arange(n), n).astype(np.uint8), context_set(rng, n * n, peak), 128 * alive, fired // 3
        ),
        controls=controls(rng, n),
        reserve=Reserve(
            context_set(rng, 2 * n, peak), np.repeat(np.arange(n), 2).astype(np.uint8), controls(rng, 2 * n)
        ),
        tokens=statistics(rng, 2 * n),
        previous_tokens=statistics(rng, n),
        next_tokens=statistics(rng, n),
        position_fired=by_position,
        position_sum=(by_position * peak * rng.uniform(0, 1, 8)).astype(np.float32),
        logits=logits(rng) if with_logits else None,
        neighbour_indices=rng.integers(0, D_SAE, 6),
        neighbour_cosines=rng.uniform(-1, 1, 6).astype(np.float32),
        coactivation=Coactivation(
            rng.integers(0, D_SAE, n),
            *(rng.uniform(0, 1, n).astype(np.float32) for _ in range(3)),
            rng.integers(10, 900, n),
            sample_tokens=2_000,
        ),
        encoder_decoder_cosine=float(np.float32(rng.uniform(-1, 1))),
        decoder_norm=float(np.float32(rng.uniform(0.5, 2))),
    )


def features(*, dead: tuple[int, ...] = (3, 4, 17)) -> list[FeatureRecord]:
    """D_SAE features, some of them dead."""
    return [feature(index, fired=0 if index in dead else None) for index in range(D_SAE)]


def model_record(**changes: object) -> ModelRecord:
    fields = {
        "slug": "tiny",
        "name": "Tiny",
        "source": "somewhere/tiny",
        "architecture": "gpt2",
        "weights_hash": "weights-hash",
        "tokenizer_hash": VOCABULARY.tokenizer_hash,
        "d_model": 16,
        "n_layers": 2,
        "d_vocab": D_VOCAB,
        "n_ctx": 64,
        "tokenizer_rules": {"prepend_bos": True},
    }
    return ModelRecord(**(fields | changes))  # type: ignore[arg-type]


def dictionary_record(**changes: object) -> DictionaryRecord:
    fields = {
        "slug": "tiny-sae",
        "name": "Tiny SAE",
        "hash": "dictionary-hash",
        "model": "tiny",
        "hook_name": "blocks.1.hook_resid_pre",
        "kind": "relu",
        "d_in": 16,
        "d_sae": D_SAE,
        "source": "somewhere/sae",
        "conventions": {"prepend_bos": True, "n_ctx": N_CTX},
        "config": {"firing": "above 0"},
        "quality": None,
        "harvest": None,
    }
    return DictionaryRecord(**(fields | changes))  # type: ignore[arg-type]


def corpus_record(**changes: object) -> CorpusRecord:
    fields = {
        "slug": "stories",
        "name": "Stories",
        "hash": "corpus-hash",
        "tokenizer_hash": VOCABULARY.tokenizer_hash,
        "n_tokens": N_TOKENS,
        "n_documents": 20,
        "description": {"source": "stories.txt"},
    }
    return CorpusRecord(**(fields | changes))  # type: ignore[arg-type]


def harvest_record(**changes: object) -> HarvestRecord:
    fields = {
        "id": "first",
        "status": "running",
        "model": "tiny",
        "corpus": "stories",
        "dictionaries": ("tiny-sae",),
        "job_id": None,
        "tokens_done": 0,
        "tokens": N_TOKENS,
        "n_contexts": N_CONTEXTS,
        "n_documents": 20,
        "n_ctx": N_CTX,
        "plan": {"seed": 1},
        "provenance": {"version": "0.1.0"},
        "created_at": "2026-01-01T00:00:00.000000+00:00",
        "finished_at": None,
        "error": None,
    }
    return HarvestRecord(**(fields | changes))  # type: ignore[arg-type]


def context_batch(ids: np.ndarray, *, seed: int = 7) -> ContextBatch:
    """Contexts whose tokens depend on their id alone; every tenth is shorter than the rest."""
    tokens = np.stack([np.random.default_rng(seed + i).integers(1, D_VOCAB, N_CTX) for i in ids.tolist()])
    lengths = np.where(ids % 10 == 9, 5, N_CTX)
    return ContextBatch(ids, ids // 10, (ids % 10) * N_CTX, lengths, tokens)


@dataclass(frozen=True, slots=True)
class SmallCatalog:
    """A catalog with one complete harvest of one dictionary, and the features that went in."""

    engine: Engine
    features: list[FeatureRecord]


def fill(engine: Engine) -> SmallCatalog:
    """Writes everything through the writer, as the jobs do."""
    written = features()
    with session_scope(engine, write=True) as session:
        writer = CatalogWriter(session)
        begin(writer)
        names = {number: f"document {number}.txt" for number in range(20)}
        writer.add_contexts("first", [context_batch(np.arange(N_CONTEXTS))], document_names=names)
        writer.write_features("first", "tiny-sae", written)
        writer.finish_harvest("first")
    return SmallCatalog(engine, written)


def begin(writer: CatalogWriter, *, d_sae: int = D_SAE) -> None:
    """A model, its vocabulary, a dictionary, a corpus and a running harvest."""
    writer.add_model(model_record())
    writer.add_vocabulary(VOCABULARY)
    writer.add_dictionary(dictionary_record(d_sae=d_sae))
    writer.add_corpus(corpus_record())
    writer.add_harvest(harvest_record())
