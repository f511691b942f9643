"""A trial's features written to an empty catalog that goes away: how long that takes, and how large it becomes."""

import time
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from sqlalchemy import Engine

from catalog.engine import make_engine, make_session, session_scope
from catalog.packing import pack_many
from catalog.records import CorpusRecord, DictionaryRecord, HarvestRecord
from catalog.revision import migrate
from catalog.writer import CatalogWriter
from worker.harvest.kept_growth import KeptGrowth
from worker.harvest.plan import HarvestPlan
from worker.harvest.result import ContextColumns, HarvestResult, WeightResult
from worker.harvest.trial import Trial
from worker.jobs.context import JobContext
from worker.jobs.feature_records import feature_records
from worker.jobs.harvest_inputs import HarvestInputs
from worker.jobs.ledger import now
from worker.jobs.shown_contexts import context_batches, contexts_shown

HARVEST = "trial"
MOST_FEATURES = 2048
# Contexts of a feature's page or reserve: top, bands, reserve; and how many are in the pool that controls come from.
_TOP, _BANDED, _RESERVED = 20, 25, 10


@dataclass(frozen=True, slots=True)
class Pages:
    """What writing a dictionary takes. size: bytes."""

    seconds: float
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """What writing a trial's features took.

    plain, a_row, a_firing: bytes of a feature's packed page, for itself, a context, and a firing in one. beside: bytes
    in the database beside a page. a_byte, a_context: seconds. context_bytes: of a stored context.
    """

    growth: KeptGrowth
    plain: float
    a_row: float
    a_firing: float
    beside: float
    a_byte: float
    a_context: float
    context_bytes: float

    def grown_to(self, plan: HarvestPlan) -> Pages:
        """Of all features, after all contexts of a plan."""
        options, n = plan.options, len(self.growth.row)
        rows, firings = np.array(
            [
                self.growth.kept(plan.n_contexts, places)
                for places in (min(_TOP, options.n_top), min(_BANDED, options.n_sample), _RESERVED)
            ]
        ).sum(0)
        pages = n * (self.plain + self.beside) + self.a_row * rows + self.a_firing * firings
        # Contexts that many features show are stored once.
        shown = plan.n_contexts * (1 - np.exp(-rows / plan.n_contexts)) + min(options.n_pool, plan.n_contexts)
        shown = min(shown, plan.n_contexts)
        return Pages(
            seconds=float(pages * self.a_byte + shown * self.a_context),
            size=round(float(pages + shown * self.context_bytes)),
        )


def write_trial(
    context: JobContext,
    inputs: HarvestInputs,
    trial: Trial,
    folder: Path,
    *,
    number: int,
    place: int,
    weights: WeightResult,
) -> Written:
    """Write some features of one dictionary. number: of it in the harvest; place: among the trial's results."""
    folder.mkdir(parents=True, exist_ok=True)
    path, result = folder / "catalog.sqlite", trial.results[place]
    engine = make_engine(f"sqlite:///{path}")
    try:
        migrate(engine)
        _add_rows(context, inputs, trial, engine, dictionary=inputs.records[number])
        return _written(inputs, trial, engine, path, slug=inputs.records[number].slug, result=result, weights=weights)
    finally:
        engine.dispose()


def _written(
    inputs: HarvestInputs,
    trial: Trial,
    engine: Engine,
    path: Path,
    *,
    slug: str,
    result: HarvestResult,
    weights: WeightResult,
) -> Written:
    step = max(1, result.d_sae // MOST_FEATURES)
    records = list(islice(feature_records(result, weights), 0, None, step))
    lengths = np.array([len(page) for page in pack_many(records)], dtype=np.float64)
    shown = contexts_shown([result])
    sizes, times = [_size(path)], [time.perf_counter()]
    with make_session(engine, write=True) as session:
        writer = CatalogWriter(session)
        writer.add_contexts(
            HARVEST, context_batches(trial.contexts, shown), document_names=inputs.corpus.document_names
        )
        session.commit()
        sizes.append(_size(path))
        times.append(time.perf_counter())
        # Making the records is a part of writing them, so they are made again.
        writer.write_features(HARVEST, slug, islice(feature_records(result, weights), 0, None, step))
        session.commit()
    sizes.append(_size(path))
    times.append(time.perf_counter())
    plain, a_row, a_firing = _page_bytes(result, lengths, step)
    written = sizes[2] - sizes[1]
    return Written(
        growth=KeptGrowth.of(result),
        plain=plain,
        a_row=a_row,
        a_firing=a_firing,
        beside=max(0.0, written - lengths.sum()) / len(records),
        a_byte=(times[2] - times[1]) / max(1.0, written),
        a_context=(times[1] - times[0]) / len(shown),
        context_bytes=(sizes[1] - sizes[0]) / len(shown),
    )


def _page_bytes(
    result: HarvestResult, lengths: Float64[np.ndarray, " record"], step: int
) -> tuple[float, float, float]:
    """Bytes of a page for itself, for each context and for each firing: least squares over the features written."""
    sets = (result.top, result.bands.contexts, result.reserve.contexts)
    rows = np.sum([np.diff(each.offsets) for each in sets], axis=0)[::step]
    firings = np.sum([_firings(each) for each in sets], axis=0)[::step]
    columns = np.stack([np.ones(len(rows)), rows, firings], axis=1).astype(np.float64)
    plain, a_row, a_firing = np.linalg.lstsq(columns, lengths, rcond=None)[0]
    return float(plain), max(0.0, float(a_row)), max(0.0, float(a_firing))


def _firings(contexts: ContextColumns) -> np.ndarray:
    return np.diff(contexts.firing_offsets[contexts.offsets])


def _size(path: Path) -> int:
    """Of the database with what waits to be written into it."""
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))


def _add_rows(
    context: JobContext, inputs: HarvestInputs, trial: Trial, engine: Engine, *, dictionary: DictionaryRecord
) -> None:
    """What features refer to."""
    with context.ledger.reading() as reader:
        vocabulary = reader.vocabulary(inputs.model_record.tokenizer_hash)
    with session_scope(engine, write=True) as session:
        writer = CatalogWriter(session)
        writer.add_model(inputs.model_record)
        writer.add_vocabulary(vocabulary)
        writer.add_dictionary(replace(dictionary, harvest=None))
        corpus = inputs.corpus
        slug = writer.add_corpus(
            CorpusRecord(
                slug="",
                name=HARVEST,
                hash=corpus.hash,
                tokenizer_hash=corpus.tokenizer_hash,
                n_tokens=corpus.n_tokens,
                n_documents=corpus.n_documents,
                description={},
            )
        )
        writer.add_harvest(_harvest(trial.plan, inputs, dictionary.slug, slug))


def _harvest(plan: HarvestPlan, inputs: HarvestInputs, dictionary: str, corpus: str) -> HarvestRecord:
    return HarvestRecord(
        id=HARVEST,
        status="running",
        model=inputs.model_record.slug,
        corpus=corpus,
        dictionaries=(dictionary,),
        job_id=None,
        tokens_done=0,
        tokens=plan.corpus_tokens,
        n_contexts=plan.n_contexts,
        n_documents=plan.n_documents,
        n_ctx=plan.n_ctx,
        plan={},
        provenance={},
        created_at=now(),
        finished_at=None,
        error=None,
    )
