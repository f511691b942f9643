"""The last step of a harvest: fold the shards, weigh the dictionaries, and write it all to the catalog."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from catalog.engine import make_session
from catalog.writer import CatalogWriter
from worker.harvest.errors import HarvestError
from worker.harvest.fold import Folded, fold_shards
from worker.harvest.merge import results_of
from worker.harvest.result import CorpusColumns
from worker.jobs.context import JobContext
from worker.jobs.growing import GROWN_FROM, drop_replaced, state_before
from worker.jobs.harvest_results import Said, weigh, write_results
from worker.jobs.harvest_shard import OpenHarvest, memory_limit, open_harvest
from worker.jobs.kept import Keeping
from worker.jobs.progress import Progress
from worker.jobs.store import MissingInStore
from worker.train.evaluate import contexts_at_once, measure_quality

QUALITY_CONTEXTS = 256
LOSS_CONTEXTS = 64
TRAINED_KINDS = ("relu", "topk", "jumprelu")


def finish(context: JobContext, job_id: str, harvest_id: str) -> dict[str, Any]:
    """Write the results. Doing it twice writes the same; once the harvest is complete nothing is done."""
    if not _is_complete(context, harvest_id):
        try:
            harvest = open_harvest(context, job_id, harvest_id)
            with context.alone(memory_limit(context, harvest.record)):
                _write_all(context, job_id, harvest)
        except (HarvestError, MissingInStore):
            # Its shards are gone where a worker that was taken for dead has finished after all.
            if not _is_complete(context, harvest_id):
                raise
    return {"harvest": harvest_id}


def _is_complete(context: JobContext, harvest_id: str) -> bool:
    with context.ledger.reading() as reader:
        return reader.harvest(harvest_id).status == "complete"


def _write_all(context: JobContext, job_id: str, harvest: OpenHarvest) -> None:
    """One dictionary after the other, so that memory holds the numbers of one."""
    for number in range(harvest.n_pieces):
        context.store.take(harvest.piece_place(number))
    corpus = None
    with _keeping(context, harvest) as keep:
        for which, numbers in enumerate(harvest.passes):
            for place, number in enumerate(numbers):
                corpus = _Finish(context, job_id, harvest, number).write(harvest.pass_folder(which), place, keep)
    assert corpus is not None
    _measure(context, job_id, harvest)
    _complete(context, harvest, corpus)


@contextmanager
def _keeping(context: JobContext, harvest: OpenHarvest) -> Iterator[Callable[[Folded], None]]:
    """What keeps the state of each dictionary, so that the harvest can grow, where it is to be kept."""
    if not context.settings.keep_state:
        yield lambda _folded: None
        return
    with Keeping(context.store, harvest.record.id, harvest.plan.digest) as keeping:
        yield keeping.add


@dataclass(frozen=True, slots=True)
class _Finish:
    """The last work on one dictionary of a harvest. number: of it."""

    context: JobContext
    job_id: str
    harvest: OpenHarvest
    number: int

    def write(self, folder: Path, place: int, keep: Callable[[Folded], None]) -> CorpusColumns:
        """Weigh, fold, and write everything. folder: of its shards, in which it is number `place`."""
        context, harvest = self.context, self.harvest
        record = harvest.inputs.records[self.number]
        self._stage("Weighing the dictionary", total=0, unit="")
        weights = weigh(context, harvest, self.number)
        folded = self._fold(folder, place)
        keep(folded)
        nearest = [weights.neighbour_indices]
        (result,) = results_of(harvest.plan, folded, contexts=harvest.inputs.contexts, neighbours=nearest)
        del folded
        writing = self._stage("Writing the features", total=result.d_sae, unit="features")
        said = [Said(record, result, weights)]
        write_results(context, harvest.record.id, said, inputs=harvest.inputs, on_progress=writing.update)
        return result.corpus

    def _fold(self, folder: Path, place: int) -> Folded:
        merging = self._stage("Merging the shards", total=self.harvest.plan.n_shards, unit="shards")
        return fold_shards(
            self.harvest.plan,
            folder,
            contexts=self.harvest.inputs.contexts,
            before=state_before(self.context, self.harvest, [self.number]),
            numbers=[place],
            on_progress=merging.update,
        )

    def _stage(self, what: str, *, total: int, unit: str) -> Progress:
        records = self.harvest.inputs.records
        of_which = f" of {records[self.number].slug}" if len(records) > 1 else ""
        return self.context.stages(self.job_id)(f"{what}{of_which}", total=total, unit=unit)


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
    """Measure trained dictionaries that nobody has measured yet, on a seeded sample of the harvest's own contexts.

    Those of one pass share the forward passes.
    """
    records = harvest.inputs.records
    for numbers in harvest.passes:
        unmeasured = [n for n in numbers if records[n].quality is None and records[n].kind in TRAINED_KINDS]
        if not unmeasured:
            continue
        context.ledger.at_stage(job_id, "Measuring the dictionaries", total=0, unit="")
        for number, quality in zip(unmeasured, _qualities(harvest, unmeasured), strict=True):
            with context.ledger.writing() as writer:
                writer.set_quality(records[number].slug, quality)


def _qualities(harvest: OpenHarvest, numbers: Sequence[int]) -> list[dict[str, Any]]:
    inputs = harvest.inputs
    order = np.random.default_rng(harvest.plan.options.seed).permutation(len(inputs.contexts))
    sample = np.sort(order[:QUALITY_CONTEXTS])
    model, device = inputs.model, inputs.model.device
    found = measure_quality(
        model,
        [dictionary.to(device) for dictionary in inputs.shelf.take(numbers)],
        inputs.contexts,
        sample,
        loss_contexts=LOSS_CONTEXTS,
        excluded=frozenset(inputs.excluded_ids),
        at_once=contexts_at_once(inputs.contexts.n_ctx, model.d_vocab),
    )
    return [{**quality.to_json(), "corpus": harvest.record.corpus} for quality in found]
