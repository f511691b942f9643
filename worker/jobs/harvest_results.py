"""Writes what a harvest found to the catalog: of all its shards at its end, of those finished in a preview."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from catalog.engine import make_session
from catalog.records import POSITION_TOKENS, DictionaryRecord
from catalog.writer import CatalogWriter
from worker.harvest.result import HarvestResult, WeightResult
from worker.harvest.subset import features_of
from worker.harvest.weights import weight_results
from worker.jobs.context import JobContext
from worker.jobs.feature_records import feature_records, summary_record
from worker.jobs.harvest_inputs import HarvestInputs
from worker.jobs.harvest_shard import OpenHarvest, memory_limit
from worker.jobs.shown_contexts import context_batches, contexts_shown


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """All that is said of one dictionary: by the corpus and by its own weights."""

    record: DictionaryRecord
    result: HarvestResult
    weights: WeightResult


def weigh(context: JobContext, harvest: OpenHarvest, number: int) -> WeightResult:
    """What the weights of the dictionary of a number say, computed once for a preview and the end.

    Under a limit of memory it is computed anew, since it is not kept.
    """
    known: dict[int, WeightResult] = context.weights.get(harvest.record.id, dict)
    if number in known:
        return known[number]
    (dictionary,) = harvest.inputs.shelf.take([number])
    features = features_of(harvest.plan.options.features, dictionary.d_sae)
    found = weight_results(dictionary, harvest.inputs.model.path_to_logits(dictionary.hook_name), features)
    if memory_limit(context, harvest.record) is None:
        known[number] = found
    return found


def write_results(
    context: JobContext,
    harvest_id: str,
    said: Sequence[Said],
    *,
    inputs: HarvestInputs,
    on_progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Contexts first, then features, then the summaries, so that nothing refers to what is not there.

    on_progress: told how many features are written. Writing twice writes the same.
    """
    results, written = [each.result for each in said], 0
    with make_session(context.ledger.engine, write=True) as session:
        writer = CatalogWriter(session)
        batches = context_batches(inputs.contexts, contexts_shown(results))
        writer.add_contexts(harvest_id, batches, document_names=inputs.corpus.document_names)
        for each in said:
            before = written
            written += writer.write_features(
                harvest_id,
                each.record.slug,
                feature_records(each.result, each.weights),
                on_progress=lambda done, before=before: on_progress(before + done),
            )
        for each in said:
            writer.write_summary(harvest_id, each.record.slug, summary_record(each.result.summary))
        writer.set_token_counts(harvest_id, results[0].corpus.token_counts)
        writer.add_provenance(harvest_id, {POSITION_TOKENS: results[0].corpus.position_tokens.tolist()})
        session.commit()
