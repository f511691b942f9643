"""Everything that a harvest reads, opened from what its request names: model, dictionaries, corpus, contexts."""

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.records import DictionaryRecord, ModelRecord
from worker.corpus.contexts import ContextTable
from worker.corpus.tokenized import Corpus
from worker.jobs.context import JobContext
from worker.jobs.corpora import corpus_at, corpus_of, shared_place
from worker.jobs.errors import JobError, NotAtHand
from worker.jobs.groups import harvest_groups
from worker.jobs.ledger import Ledger
from worker.jobs.progress import Stages
from worker.jobs.requests import HarvestRequest
from worker.jobs.shelf import Shelf, at_hand
from worker.lm.model import LanguageModel
from worker.sae.conventions import Conventions
from worker.sae.dictionary import Dictionary


@dataclass(frozen=True, slots=True, eq=False)
class HarvestInputs:
    """What a harvest reads. shelf: the dictionaries of records. corpus_place: where workers find the corpus."""

    model_record: ModelRecord
    model: LanguageModel
    records: tuple[DictionaryRecord, ...]
    shelf: Shelf
    corpus: Corpus
    contexts: ContextTable
    corpus_place: str

    @property
    def dictionaries(self) -> tuple[Dictionary, ...]:
        """All of them, in memory at once."""
        return self.shelf.take(range(len(self.records)))

    @property
    def conventions(self) -> tuple[Conventions, ...]:
        """Of each dictionary; they agree in what decides a pass."""
        return tuple(Conventions.from_json(record.conventions) for record in self.records)

    @property
    def dtype_name(self) -> str:
        """The dtype in which the model runs, as torch calls it."""
        return str(self.model.dtype).removeprefix("torch.")

    @property
    def excluded_ids(self) -> tuple[int, ...]:
        """Token ids that no reducer sees: the tokenizer's special ones and those the conventions name."""
        named = (token for conventions in self.conventions for token in conventions.excluded_tokens)
        return tuple(sorted({*self.model.tokenizer.special_ids, *named}))


def open_inputs(
    context: JobContext,
    request: HarvestRequest,
    *,
    stages: Stages,
    dtype: str | None = None,
    corpus_place: str | None = None,
) -> HarvestInputs:
    """Open all of it; dictionaries are loaded when they are taken from the shelf.

    dtype: of the model, where the harvest has settled on one; else the worker's choice.
    corpus_place: where the harvest has found its corpus; else it is found, or made, from the request.

    Raises JobError where the dictionaries cannot share a pass, and NotAtHand where this worker lacks a file, or has
    another in its place.
    """
    records = shared_pass(context.ledger, request.dictionaries)
    with context.ledger.reading() as reader:
        model_record = reader.model(records[0].model)
    conventions = Conventions.from_json(records[0].conventions)
    with at_hand(f"the model {model_record.slug!r}"):
        model = _model(context, model_record, conventions, dtype=dtype)
    corpus = _corpus(context, request, model, stages=stages, place=corpus_place)
    contexts = corpus.contexts(
        n_ctx=conventions.n_ctx, prepend_bos=conventions.prepend_bos, max_tokens=request.max_tokens
    )
    place = corpus_place or shared_place(context.store, corpus)
    return HarvestInputs(model_record, model, records, Shelf(records, context.store), corpus, contexts, place)


def _model(context: JobContext, record: ModelRecord, conventions: Conventions, *, dtype: str | None) -> LanguageModel:
    model = context.models.get(record.source, weight_processing=conventions.weight_processing, dtype=dtype)
    if model.weights_hash != record.weights_hash:
        raise NotAtHand(
            f"The weights at {record.source!r} have changed since model {record.slug!r} was added. "
            "Put the old files back, or add the model again under another name."
        )
    return model


def _corpus(
    context: JobContext, request: HarvestRequest, model: LanguageModel, *, stages: Stages, place: str | None
) -> Corpus:
    if place is not None:
        with at_hand("the corpus"):
            return corpus_at(context.store, place, model.tokenizer)
    return corpus_of(
        context.store,
        request.corpus,
        model.tokenizer,
        stages=stages,
        max_documents=request.max_documents,
        max_tokens=request.max_tokens,
        joined=request.joined,
    )


def shared_pass(ledger: Ledger, slugs: Sequence[str]) -> tuple[DictionaryRecord, ...]:
    """The rows of the dictionaries. Raises NotFound, or JobError where one pass cannot serve them all."""
    with ledger.reading() as reader:
        records = tuple(reader.dictionary(slug) for slug in dict.fromkeys(slugs))
    groups = harvest_groups(records)
    if len(groups) != 1:
        listed = "; ".join(", ".join(group) for group in groups)
        raise JobError(
            "These dictionaries differ in model, n_ctx, BOS, weight processing or excluded tokens, so they cannot "
            f"share a pass. Harvest each group by itself: {listed}."
        )
    return records
