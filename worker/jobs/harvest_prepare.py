"""The first step of a harvest: open what it reads, fix its plan, and give it a row in the catalog."""

import shutil
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import torch

from catalog.records import CorpusRecord, HarvestRecord
from catalog.writer import CatalogWriter
from worker.harvest.plan import HarvestOptions, HarvestPlan, plan_harvest
from worker.harvest.subset import features_of, name_features
from worker.jobs.context import JobContext
from worker.jobs.corpus_spec import corpus_name
from worker.jobs.errors import JobError
from worker.jobs.growing import GROWN_FROM, Base, check_base, check_kept, find_base, grown_from, growth_provenance
from worker.jobs.harvest_claim import Claim, claim_harvest
from worker.jobs.harvest_inputs import HarvestInputs, open_inputs
from worker.jobs.harvest_shard import MEMORY_LIMIT, PASSES
from worker.jobs.ledger import now
from worker.jobs.places import OPENED, content_key, harvest_place
from worker.jobs.requests import HarvestRequest, to_json
from worker.jobs.room import Arrangement, arrange

BYTES_A_FEATURE = 8192
BYTES_A_TOKEN = 4


def prepare(context: JobContext, job_id: str, request: HarvestRequest) -> dict[str, Any]:
    """Settle everything that decides the numbers. Doing it twice for one job is doing it once.

    Waits while another job harvests one of the dictionaries.
    Returns {"harvest": id, "shards": how many pieces, "done": whether a complete harvest of the same is there}.
    Raises JobError, CorpusError and the like where something does not fit; nothing is written then.
    """
    context.ledger.at_stage(job_id, "Loading the model", total=0, unit="")
    base = find_base(context, request.grow)
    dtype = None if base is None else base.dtype
    inputs = open_inputs(context, request, stages=context.stages(job_id), dtype=dtype)
    if base is not None:
        check_base(context, base, inputs)
    arranged = arrange_request(context, inputs, request, base=base)
    plan = arranged.plan
    key = harvest_key(inputs, plan)
    _check_room(context, inputs, plan)
    claim = Claim(job_id, key, tuple(record.slug for record in inputs.records), again=request.again)

    def add(writer: CatalogWriter, harvest_id: str) -> None:
        if base is not None:
            check_kept(context, base.record)
        _add_rows(writer, inputs, _record(job_id, harvest_id, request, inputs, arranged=arranged, key=key, base=base))

    harvest_id, done = claim_harvest(context, claim, add)
    if not done:
        _open_folder(context, key)
        context.ledger.at_stage(job_id, "Harvesting", total=plan.corpus_tokens, unit="tokens")
    pieces = plan.n_shards * len(arranged.passes)
    return {"harvest": harvest_id, "shards": pieces, "done": done}


def arrange_request(
    context: JobContext, inputs: HarvestInputs, request: HarvestRequest, *, base: Base | None
) -> Arrangement:
    """The plan, and how it is gone through, under the limit of memory. The dictionaries' files are found there."""
    limit = context.settings.memory_limit_beside(request.memory_limit)
    if limit is None:
        inputs.shelf.take(range(len(inputs.records)))
    plan = plan_of(inputs, request, base=base)
    with context.alone(limit):
        return arrange(inputs, plan, limit=limit, keep_batch=base is not None)


def plan_of(inputs: HarvestInputs, request: HarvestRequest, *, base: Base | None = None) -> HarvestPlan:
    """The plan of a request: a pure function of the corpus and the options. base: what it adds to."""
    dtype = "bfloat16" if inputs.model.dtype == torch.bfloat16 else "float32"
    options = HarvestOptions(
        seed=request.seed,
        n_top=request.n_top,
        n_sample=request.n_sample,
        shard_tokens=request.shard_tokens,
        encode_dtype=dtype,
        features=_features(inputs, request),
    )
    return plan_harvest(
        inputs.contexts,
        options if base is None else base.plan.options,
        excluded_ids=inputs.excluded_ids,
        d_vocab=max(inputs.model.d_vocab, inputs.model.tokenizer.d_vocab),
        corpus_hash=inputs.corpus.hash,
        seen=0 if base is None else base.plan.n_contexts,
    )


def _features(inputs: HarvestInputs, request: HarvestRequest) -> str | None:
    """The features asked for in the shortest words; None where they are all that the dictionaries have.

    Raises HarvestError on one that a dictionary does not have.
    """
    if request.features is None:
        return None
    sizes = {record.d_sae for record in inputs.records}
    numbers = features_of(request.features, min(sizes))
    return None if {len(numbers)} == sizes else name_features(numbers.tolist())


def harvest_key(inputs: HarvestInputs, plan: HarvestPlan) -> str:
    """Names the numbers: the same key, the same harvest."""
    return content_key(
        inputs.model.weights_hash,
        inputs.model.tokenizer.hash,
        [record.hash for record in inputs.records],
        inputs.dtype_name,
        inputs.model.device.type,
        plan.digest,
    )


def _check_room(context: JobContext, inputs: HarvestInputs, plan: HarvestPlan) -> None:
    features = sum(len(features_of(plan.options.features, record.d_sae)) for record in inputs.records)
    needed = features * BYTES_A_FEATURE + inputs.contexts.n_tokens * BYTES_A_TOKEN
    context.home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(context.home).free
    if free < needed:
        raise JobError(
            f"The harvest needs about {needed / 1e6:.0f} MB of disk, and {context.home} has {free / 1e6:.0f} MB free. "
            "Free some, or set FEATURESCOPE_HOME to a larger disk."
        )


def _open_folder(context: JobContext, key: str) -> None:
    """Begin the folder of the shards, by which a worker knows that it sees the same store as this one."""
    place = f"{harvest_place(key)}/{OPENED}"
    mark = context.store.path(place)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
    context.store.put(place, mark)


def _add_rows(writer: CatalogWriter, inputs: HarvestInputs, record: HarvestRecord) -> None:
    corpus = CorpusRecord(
        slug="",
        name=record.corpus,
        hash=inputs.corpus.hash,
        tokenizer_hash=inputs.corpus.tokenizer_hash,
        n_tokens=inputs.corpus.n_tokens,
        n_documents=inputs.corpus.n_documents,
        description={**inputs.corpus.description, "statistics": dict(inputs.corpus.statistics)},
    )
    slug = writer.add_corpus(corpus)
    writer.add_harvest(replace(record, corpus=slug))


def _record(
    job_id: str,
    harvest_id: str,
    request: HarvestRequest,
    inputs: HarvestInputs,
    *,
    arranged: Arrangement,
    key: str,
    base: Base | None,
) -> HarvestRecord:
    plan = arranged.plan
    slugs = tuple(record.slug for record in inputs.records)
    came_from = {} if base is None else {GROWN_FROM: grown_from(base, slugs)}
    own_plan = {
        "harvest": plan.to_json(),
        "request": to_json(replace(request, memory_limit=None)),
        "dtype": inputs.dtype_name,
        "key": key,
        "corpus": inputs.corpus_place,
        PASSES: [list(numbers) for numbers in arranged.passes],
        MEMORY_LIMIT: request.memory_limit,
    }
    return HarvestRecord(
        id=harvest_id,
        status="running",
        model=inputs.model_record.slug,
        corpus=" + ".join(corpus_name(spec) for spec in (request.corpus, *(part["corpus"] for part in request.joined))),
        dictionaries=slugs,
        job_id=job_id,
        tokens_done=0,
        tokens=plan.corpus_tokens,
        n_contexts=plan.n_contexts,
        n_documents=plan.n_documents,
        n_ctx=plan.n_ctx,
        plan=own_plan | came_from,
        provenance=_provenance(inputs, plan) | ({} if base is None else growth_provenance(base)),
        created_at=now(),
        finished_at=None,
        error=None,
        features=plan.options.features,
    )


def _provenance(inputs: HarvestInputs, plan: HarvestPlan) -> dict[str, Any]:
    """Where every number of the harvest comes from."""
    model, corpus = inputs.model, inputs.corpus
    return {
        "featurescope": version("featurescope"),
        "model": {
            "source": inputs.model_record.source,
            "revision": model.revision,
            "weights_hash": model.weights_hash,
            "weight_processing": model.weight_processing,
        },
        "tokenizer_hash": model.tokenizer.hash,
        "dictionaries": [
            {"slug": record.slug, "source": record.source, "hash": record.hash} for record in inputs.records
        ],
        "corpus": {"description": dict(corpus.description), "hash": corpus.hash, "tokens": plan.corpus_tokens},
        "dtype": inputs.dtype_name,
        "encode_dtype": plan.options.encode_dtype,
        "device": inputs.model.device.type,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "seed": plan.options.seed,
    }
