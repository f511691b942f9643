"""An empty catalog brought to the state in which a synthetic harvest's features can be written."""

import time

from sqlalchemy import Engine

from benchmarks.synthetic_features import SyntheticHarvest
from catalog.engine import session_scope
from catalog.records import CorpusRecord, DictionaryRecord, HarvestRecord, ModelRecord
from catalog.tokens import Vocabulary
from catalog.writer import CatalogWriter

HARVEST, DICTIONARY = "benchmark", "benchmark-sae"


def write_corpus(engine: Engine, harvest: SyntheticHarvest) -> float:
    """Everything that comes before the features; seconds that the contexts took."""
    with session_scope(engine, write=True) as session:
        writer = CatalogWriter(session)
        vocabulary = Vocabulary.of("benchmark-tokenizer", harvest.vocabulary(), frozenset({0}))
        writer.add_model(_model(harvest, vocabulary.tokenizer_hash))
        writer.add_vocabulary(vocabulary)
        writer.add_dictionary(_dictionary(harvest))
        writer.add_corpus(_corpus(harvest, vocabulary.tokenizer_hash))
        writer.add_harvest(_harvest(harvest))
        names = {
            number: f"collection/part-{number // 100:04}/document-{number}" for number in range(harvest.n_documents)
        }
        began = time.perf_counter()
        writer.add_contexts(HARVEST, harvest.context_batches(), document_names=names)
        return time.perf_counter() - began


def _model(harvest: SyntheticHarvest, tokenizer_hash: str) -> ModelRecord:
    return ModelRecord(
        slug="benchmark",
        name="benchmark",
        source="synthetic",
        architecture="none",
        weights_hash="benchmark-weights",
        tokenizer_hash=tokenizer_hash,
        d_model=512,
        n_layers=6,
        d_vocab=harvest.d_vocab,
        n_ctx=harvest.n_ctx,
        tokenizer_rules={"prepend_bos": True},
    )


def _dictionary(harvest: SyntheticHarvest) -> DictionaryRecord:
    return DictionaryRecord(
        slug=DICTIONARY,
        name=DICTIONARY,
        hash="benchmark-dictionary",
        model="benchmark",
        hook_name="blocks.3.hook_resid_post",
        kind="relu",
        d_in=512,
        d_sae=harvest.d_sae,
        source="synthetic",
        conventions={"prepend_bos": True, "n_ctx": harvest.n_ctx},
        config={},
        quality=None,
        harvest=None,
    )


def _corpus(harvest: SyntheticHarvest, tokenizer_hash: str) -> CorpusRecord:
    return CorpusRecord(
        slug="benchmark",
        name="benchmark",
        hash="benchmark-corpus",
        tokenizer_hash=tokenizer_hash,
        n_tokens=harvest.tokens,
        n_documents=harvest.n_documents,
        description={"source": "synthetic"},
    )


def _harvest(harvest: SyntheticHarvest) -> HarvestRecord:
    return HarvestRecord(
        id=HARVEST,
        status="running",
        model="benchmark",
        corpus="benchmark",
        dictionaries=(DICTIONARY,),
        job_id=None,
        tokens_done=0,
        tokens=harvest.tokens,
        n_contexts=harvest.n_contexts,
        n_documents=harvest.n_documents,
        n_ctx=harvest.n_ctx,
        plan={},
        provenance={},
        created_at="",
        finished_at=None,
        error=None,
    )
