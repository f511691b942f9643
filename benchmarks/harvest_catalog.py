"""The database write of a benchmark harvest: the real writer, an empty SQLite catalog."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.harvest_world import N_LAYERS
from catalog.engine import make_engine, make_session, session_scope
from catalog.records import CorpusRecord, DictionaryRecord, HarvestRecord, ModelRecord
from catalog.revision import migrate
from catalog.tokens import Vocabulary
from catalog.writer import CatalogWriter
from worker.corpus.contexts import ContextTable
from worker.harvest.plan import HarvestPlan
from worker.harvest.result import HarvestResult, WeightResult
from worker.jobs.feature_records import feature_records, summary_record
from worker.jobs.shown_contexts import context_batches, contexts_shown
from worker.lm.model import LanguageModel
from worker.sae.dictionary import Dictionary

HARVEST, MODEL, CORPUS = "benchmark", "benchmark-model", "benchmark-corpus"


class BenchmarkCatalog:
    """An empty catalog in a folder, prepared before the clock starts."""

    def __init__(self, folder: Path, model: LanguageModel, dictionaries: Sequence[Dictionary]) -> None:
        self._engine = make_engine(f"sqlite:///{folder / 'catalog.sqlite'}")
        self._slugs = [f"benchmark-{number}" for number in range(len(dictionaries))]
        self._model, self._dictionaries = model, dictionaries
        migrate(self._engine)

    def write(
        self,
        plan: HarvestPlan,
        contexts: ContextTable,
        results: Sequence[HarvestResult],
        weights: Sequence[WeightResult],
    ) -> None:
        """Everything a harvest writes."""
        self.begin(plan)
        for number, (result, weight) in enumerate(zip(results, weights, strict=True)):
            self.add(plan, contexts, number=number, result=result, weights=weight)
        self.finish()

    def begin(self, plan: HarvestPlan) -> None:
        """What features refer to."""
        self._write_what_features_refer_to(plan)

    def add(
        self, plan: HarvestPlan, contexts: ContextTable, *, number: int, result: HarvestResult, weights: WeightResult
    ) -> None:
        """One dictionary, by its number, as a worker writes it."""
        slug = self._slugs[number]
        with make_session(self._engine, write=True) as session:
            writer = CatalogWriter(session)
            names = [f"document {document}" for document in range(plan.n_documents)]
            writer.add_contexts(HARVEST, context_batches(contexts, contexts_shown([result])), document_names=names)
            writer.write_features(HARVEST, slug, feature_records(result, weights))
            writer.write_summary(HARVEST, slug, summary_record(result.summary))
            session.commit()

    def finish(self) -> None:
        """The harvest is complete."""
        with session_scope(self._engine, write=True) as session:
            CatalogWriter(session).finish_harvest(HARVEST)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def _write_what_features_refer_to(self, plan: HarvestPlan) -> None:
        model = self._model
        vocabulary = Vocabulary.of(
            model.tokenizer.hash, model.tokenizer.token_bytes(model.d_vocab), frozenset(model.tokenizer.special_ids)
        )
        with session_scope(self._engine, write=True) as session:
            writer = CatalogWriter(session)
            writer.add_model(_model_record(model))
            writer.add_vocabulary(vocabulary)
            for slug, dictionary in zip(self._slugs, self._dictionaries, strict=True):
                writer.add_dictionary(_dictionary_record(slug, dictionary))
            writer.add_corpus(_corpus_record(plan, model))
            writer.add_harvest(_harvest_record(plan, self._slugs))


def _model_record(model: LanguageModel) -> ModelRecord:
    return ModelRecord(
        slug=MODEL,
        name=MODEL,
        source="random weights",
        architecture=model.architecture,
        weights_hash=model.weights_hash,
        tokenizer_hash=model.tokenizer.hash,
        d_model=model.d_model,
        n_layers=N_LAYERS,
        d_vocab=model.d_vocab,
        n_ctx=model.n_ctx,
        tokenizer_rules=dict(model.tokenizer.rules),
    )


def _dictionary_record(slug: str, dictionary: Dictionary) -> DictionaryRecord:
    return DictionaryRecord(
        slug=slug,
        name=slug,
        hash=dictionary.hash,
        model=MODEL,
        hook_name=dictionary.hook_name,
        kind=dictionary.kind,
        d_in=dictionary.d_in,
        d_sae=dictionary.d_sae,
        source="random weights",
        conventions=dictionary.conventions.to_json(),
        config={},
        quality=None,
        harvest=None,
    )


def _corpus_record(plan: HarvestPlan, model: LanguageModel) -> CorpusRecord:
    return CorpusRecord(
        slug=CORPUS,
        name=CORPUS,
        hash=CORPUS,
        tokenizer_hash=model.tokenizer.hash,
        n_tokens=plan.corpus_tokens,
        n_documents=plan.n_documents,
        description={"source": "synthetic"},
    )


def _harvest_record(plan: HarvestPlan, slugs: Sequence[str]) -> HarvestRecord:
    return HarvestRecord(
        id=HARVEST,
        status="running",
        model=MODEL,
        corpus=CORPUS,
        dictionaries=tuple(slugs),
        job_id=None,
        tokens_done=0,
        tokens=plan.corpus_tokens,
        n_contexts=plan.n_contexts,
        n_documents=plan.n_documents,
        n_ctx=plan.n_ctx,
        plan=plan.to_json(),
        provenance={},
        created_at="",
        finished_at=None,
        error=None,
    )
