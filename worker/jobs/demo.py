"""The demo as a job: registers the bundled model with its dictionaries and says what is to be harvested."""

from collections.abc import Sequence
from pathlib import Path

from catalog.records import DictionaryRecord
from worker.corpus.sources import STDLIB
from worker.corpus.tokenized import Corpus
from worker.jobs.bases import BasisRequest, add_basis_on
from worker.jobs.context import JobContext
from worker.jobs.corpora import corpus_of
from worker.jobs.demo_key import DICTIONARIES_FOLDER, MODEL_FOLDER
from worker.jobs.errors import JobError
from worker.jobs.groups import harvest_groups
from worker.jobs.register import add_dictionary, add_model
from worker.jobs.requests import HarvestRequest
from worker.lm.model import LanguageModel
from worker.sae import formats

MODEL_NAME = "Featurescope demo"
NEURON_HOOK = "mlp.hook_post"
# A million tokens and a little: what two plain cores harvest while somebody looks on.
MAX_TOKENS = 1_050_000
FIRST_LOOK = "demo-resid-mid"


def prepare_demo(context: JobContext, job_id: str) -> list[HarvestRequest]:
    """Register what is bundled, tokenise the corpus, and give the harvests to run while somebody waits.

    Raises JobError without assets.
    """
    if not (MODEL_FOLDER / "config.json").is_file():
        raise JobError(f"The bundled model is missing: {MODEL_FOLDER} has no config.json. Clone the project again.")
    context.ledger.at_stage(job_id, "Loading the bundled model", total=0, unit="")
    model = context.models.get(str(MODEL_FOLDER))
    slug = add_model(context.ledger, model, name=MODEL_NAME).slug
    records = add_bundled(context, model, slug)
    _corpus(context, job_id, model)
    return _requests([record for record in records if record.slug == FIRST_LOOK])


def prepare_rest(context: JobContext, job_id: str) -> list[HarvestRequest]:
    """Set the neurons' thresholds, and give the harvests that remain, while the first pages are being read.

    They cost a second pass of the small model; the wait for the first page is half as long for it.
    """
    model = context.models.get(str(MODEL_FOLDER))
    slug = add_model(context.ledger, model, name=MODEL_NAME).slug
    records = add_bundled(context, model, slug)
    corpus = _corpus(context, job_id, model)
    for record in _worth_neurons(records):
        context.ledger.at_stage(job_id, "Setting the neurons' thresholds", total=0, unit="")
        request = BasisRequest(
            kind="neurons",
            model=slug,
            hook_name=record.hook_name,
            corpus=STDLIB,
            n_ctx=record.conventions["n_ctx"],
            prepend_bos=record.conventions["prepend_bos"],
            name=f"Neurons of layer {record.hook_name.split('.')[1]}",
        )
        records.append(add_basis_on(context.store, context.ledger, model, corpus, request=request))
    return _requests([record for record in records if record.slug != FIRST_LOOK])


def add_bundled(context: JobContext, model: LanguageModel, slug: str) -> list[DictionaryRecord]:
    """The rows of the bundled SAEs, in the order of their folders' names."""
    return [
        add_dictionary(
            context.ledger, model, formats.load(folder), source=str(folder), model_slug=slug, name=_name(folder)
        )
        for folder in sorted(DICTIONARIES_FOLDER.iterdir())
        if (folder / "cfg.json").is_file()
    ]


def _corpus(context: JobContext, job_id: str, model: LanguageModel) -> Corpus:
    return corpus_of(context.store, STDLIB, model.tokenizer, stages=context.stages(job_id), max_tokens=MAX_TOKENS)


def _requests(records: Sequence[DictionaryRecord]) -> list[HarvestRequest]:
    return [
        HarvestRequest(dictionaries=group, corpus=STDLIB, max_tokens=MAX_TOKENS) for group in harvest_groups(records)
    ]


def _worth_neurons(records: Sequence[DictionaryRecord]) -> list[DictionaryRecord]:
    """The SAEs beside which the neurons of their own hook are worth seeing."""
    return [record for record in records if record.hook_name.endswith(NEURON_HOOK)]


def _name(folder: Path) -> str:
    return folder.name.replace("_", " ")
