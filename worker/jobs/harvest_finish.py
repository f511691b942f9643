"""The last step of a harvest: fold the shards, weigh the dictionaries, and write it all to the catalog."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from catalog.engine import make_session
from catalog.records import DictionaryRecord
from catalog.writer import CatalogWriter
from worker.harvest.errors import HarvestError
from worker.harvest.fold import fold_shards
from worker.harvest.merge import results_of
from worker.harvest.result import CorpusColumns
from worker.jobs.context import JobContext
from worker.jobs.growing import GROWN_FROM, drop_replaced, state_before
from worker.jobs.harvest_results import Said, weigh, write_results
from worker.jobs.harvest_shard import OpenHarvest, open_harvest
from worker.jobs.kept import keep
from worker.jobs.store import MissingInStore
from worker.sae.dictionary import Dictionary
from worker.train.evaluate import measure_quality

QUALITY_CONTEXTS = 256
LOSS_CONTEXTS = 64
TRAINED_KINDS = ("relu", "topk", "jumprelu")


def finish(context: JobContext, job_id: str, harvest_id: str) -> dict[str, Any]:
    """Write the results. Doing it twice writes the same; once the harvest is complete nothing is done."""
    if not _is_complete(context, harvest_id):
        try:
            _write_all(context, job_id, open_harvest(context, job_id, harvest_id))
        except (HarvestError, MissingInStore):
            # Its shards are gone where a worker that was taken for dead has finished after all.
            if not _is_complete(context, harvest_id):
                raise
    return {"harvest": harvest_id}


def _is_complete(context: JobContext, harvest_id: str) -> bool:
    with context.ledger.reading() as reader:
        return reader.harvest(harvest_id).status == "complete"


def _write_all(context: JobContext, job_id: str, harvest: OpenHarvest) -> None:
    stages, inputs = context.stages(job_id), harvest.inputs
    weights = weigh(context, harvest, begin=stages)
    merging = stages("Merging the shards", total=harvest.plan.n_shards, unit="shards")
    for shard in range(harvest.plan.n_shards):
        context.store.take(harvest.shard_place(shard))
    folded = fold_shards(
        harvest.plan,
        harvest.folder,
        contexts=inputs.contexts,
        before=state_before(context, harvest),
        on_progress=merging.update,
    )
    if context.settings.keep_state:
        keep(context.store, harvest.record.id, folded, harvest.plan.digest)
    neighbours = [weight.neighbour_indices for weight in weights]
    results = results_of(harvest.plan, folded, contexts=inputs.contexts, neighbours=neighbours)
    _measure(context, job_id, harvest)
    writing = stages("Writing the features", total=sum(result.d_sae for result in results), unit="features")
    said = [Said(*each) for each in zip(inputs.records, results, weights, strict=True)]
    write_results(context, harvest.record.id, said, inputs=inputs, on_progress=writing.update)
    _complete(context, harvest, results[0].corpus)


def _complete(context: JobContext, harvest: OpenHarvest, corpus: CorpusColumns) -> None:
    """From now on the harvest is the one shown; one that it has grown out of is replaced."""
    came_from = harvest.record.plan.get(GROWN_FROM)
    with context.ledger.writing() as writer:
        writer.finish_harvest(
            harvest.record.id,
            replaces=came_from and came_from["harvest"],
            tokens=corpus.tokens,
            n_contexts=corpus.contexts,
            n_documents=corpus.documents,
        )
    with make_session(context.ledger.engine, write=True) as session:
        CatalogWriter(session).remove_outdated_previews(harvest.record.id)
    drop_replaced(context, harvest)
    context.store.remove(harvest.place)


def _measure(context: JobContext, job_id: str, harvest: OpenHarvest) -> None:
    """Measure trained dictionaries that nobody has measured yet, on a seeded sample of the harvest's own contexts."""
    pairs = list(zip(harvest.inputs.records, harvest.inputs.dictionaries, strict=True))
    unmeasured = [pair for pair in pairs if pair[0].quality is None and pair[0].kind in TRAINED_KINDS]
    if not unmeasured:
        return
    context.ledger.at_stage(job_id, "Measuring the dictionaries", total=0, unit="")
    for record, quality in zip([record for record, _ in unmeasured], _qualities(harvest, unmeasured), strict=True):
        with context.ledger.writing() as writer:
            writer.set_quality(record.slug, quality)


def _qualities(harvest: OpenHarvest, pairs: Sequence[tuple[DictionaryRecord, Dictionary]]) -> list[dict[str, Any]]:
    inputs = harvest.inputs
    order = np.random.default_rng(harvest.plan.options.seed).permutation(len(inputs.contexts))
    sample = np.sort(order[:QUALITY_CONTEXTS])
    model, device = inputs.model, inputs.model.device
    found = measure_quality(
        model,
        [dictionary.to(device) for _, dictionary in pairs],
        inputs.contexts,
        sample,
        loss_contexts=LOSS_CONTEXTS,
        excluded=frozenset(inputs.excluded_ids),
    )
    return [{**quality.to_json(), "corpus": harvest.record.corpus} for quality in found]
