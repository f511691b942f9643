"""Previews of a long harvest: pages to read after its first shard, and after twice as many each time.

A preview folds the finished shards as the end will fold all of them, and is written as a harvest of its own. It is made
only where a dictionary has nothing complete to show, and where its cost is small against what is still to come.
"""

import logging
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.exc import IntegrityError

from catalog.engine import make_session
from catalog.errors import NotFound
from catalog.records import SO_FAR, DictionaryRecord, HarvestRecord
from catalog.writer import CatalogWriter
from worker.harvest.errors import HarvestError
from worker.harvest.fold import fold_shards
from worker.harvest.merge import results_of
from worker.harvest.result import CorpusColumns
from worker.jobs.context import JobContext
from worker.jobs.harvest_results import Said, weigh, write_results
from worker.jobs.harvest_shard import OpenHarvest, finished_shards, memory_limit, open_harvest, text_tokens
from worker.jobs.store import MissingInStore

SECONDS_AT_LEAST, SECONDS_A_FEATURE = 1.0, 0.0008
"""What a preview takes where nobody has measured yet: fold, statistics and write, on one slow core."""
FIRST_SHARE = 1 / 15
"""Of the time that is left, what the first preview may take."""
LATER_SHARE = 1 / 50
"""Of the time the harvest has taken, what all previews together may take from the second on."""
OVERTAKEN = (IntegrityError, NotFound, HarvestError, MissingInStore)
"""What comes of writing a preview where a worker that was taken for dead writes it too, or has ended the harvest."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Spent:
    """What the previews of a harvest have cost: how many there were, seconds in all, seconds of the last.

    shards: of how many shards the last one is.
    """

    previews: int = 0
    seconds: float = 0.0
    last: float = 0.0
    shards: int = 0


def preview(context: JobContext, job_id: str, harvest_id: str, spent: dict[str, Any]) -> dict[str, Any]:
    """Write a preview if it is worth it. spent: what this gave the last time, as JSON; {} at first.

    One that another worker has overtaken is given up: the harvest does not depend on it.
    """
    before = Spent(**spent)
    context.ledger.raise_if_stopped(job_id)
    harvest = open_harvest(context, job_id, harvest_id)
    lacking = _lacking(context, harvest)
    shards = finished_shards(context, harvest)
    is_whole = len(harvest.passes) == 1
    says_more = lacking and is_whole and _says_more(harvest, before, shards)
    if not says_more or not _is_worth_it(context, harvest, before, shards):
        return spent
    began = time.monotonic()
    try:
        with context.alone(memory_limit(context, harvest.record)):
            _write(context, harvest, lacking, shards)
    except OVERTAKEN as error:
        log.warning("The preview of the harvest %s is given up: %s", harvest_id, error)
    seconds = time.monotonic() - began
    return asdict(Spent(before.previews + 1, before.seconds + seconds, seconds, len(shards)))


def moments(n_shards: int) -> frozenset[int]:
    """After how many finished shards a preview may be made: one, and twice as many each time, never all."""
    return frozenset(2**power for power in range(n_shards.bit_length()) if 2**power < n_shards)


def _lacking(context: JobContext, harvest: OpenHarvest) -> list[int]:
    """Places of the dictionaries that have no complete harvest to show."""
    with context.ledger.reading() as reader:
        shown = [reader.dictionary(record.slug).harvest for record in harvest.inputs.records]
    return [place for place, found in enumerate(shown) if found is None or found.status != "complete"]


def _says_more(harvest: OpenHarvest, before: Spent, shards: list[int]) -> bool:
    """Whether there are twice as many shards as last time, and not yet all: previews may lag behind the shards."""
    return max(1, 2 * before.shards) <= len(shards) < harvest.plan.n_shards


def _is_worth_it(context: JobContext, harvest: OpenHarvest, before: Spent, shards: list[int]) -> bool:
    """Whether a preview is cheap against the harvest, as far as it can be told."""
    if context.settings.previews != "auto":
        return context.settings.previews == "always"
    plan = harvest.plan
    if plan.seen or memory_limit(context, harvest.record) is not None:
        return False
    gone = (datetime.now(UTC) - datetime.fromisoformat(harvest.record.created_at)).total_seconds()
    done = text_tokens(harvest, shards)
    left = gone * (plan.corpus_tokens - done) / max(done, 1)
    if not before.previews:
        features = sum(record.d_sae for record in harvest.inputs.records)
        return SECONDS_AT_LEAST + SECONDS_A_FEATURE * features <= FIRST_SHARE * left
    return before.seconds + before.last <= LATER_SHARE * gone and before.last <= FIRST_SHARE * left


def _write(context: JobContext, harvest: OpenHarvest, lacking: list[int], shards: list[int]) -> None:
    for shard in shards:
        context.store.take(harvest.piece_place(shard))
    row = _record(harvest, [harvest.inputs.records[number] for number in lacking], shards)
    for which, number in enumerate(lacking):
        said = _said(context, harvest, number, shards)
        if which == 0:
            _begin(context, row, said.result.corpus)
        write_results(context, row.id, [said], inputs=harvest.inputs)
    for shard in shards:
        context.store.done_with(harvest.piece_place(shard))
    with make_session(context.ledger.engine, write=True) as session:
        writer = CatalogWriter(session)
        writer.show_preview(row.id)
        session.commit()
        writer.remove_outdated_previews(row.id)


def _said(context: JobContext, harvest: OpenHarvest, number: int, shards: list[int]) -> Said:
    """All that is said of one dictionary by some shards."""
    plan, contexts = harvest.plan, harvest.inputs.contexts
    weights = weigh(context, harvest, number)
    folded = fold_shards(plan, harvest.folder, contexts=contexts, shards=shards, numbers=[number])
    (result,) = results_of(plan, folded, contexts=contexts, neighbours=[weights.neighbour_indices])
    return Said(harvest.inputs.records[number], result, weights)


def _begin(context: JobContext, row: HarvestRecord, corpus: CorpusColumns) -> None:
    """The preview's own row, in place of what was left of one that was given up."""
    row = replace(row, tokens=corpus.tokens, n_contexts=corpus.contexts, n_documents=corpus.documents)
    with make_session(context.ledger.engine, write=True) as session:
        writer = CatalogWriter(session)
        writer.remove_harvest(row.id)
        writer.add_harvest(row)
        session.commit()


def _record(harvest: OpenHarvest, dictionaries: list[DictionaryRecord], shards: list[int]) -> HarvestRecord:
    """A harvest that nobody sees yet. Its totals are still those of the whole."""
    whole = harvest.record
    so_far = {
        "harvest": whole.id,
        "shards": len(shards),
        "of_shards": harvest.plan.n_shards,
        "tokens": text_tokens(harvest, shards),
        "of_tokens": harvest.plan.corpus_tokens,
    }
    return replace(
        whole,
        id=f"preview-{whole.id}-{len(shards)}",
        status="queued",
        job_id=None,
        dictionaries=tuple(record.slug for record in dictionaries),
        provenance={**whole.provenance, SO_FAR: so_far},
        plan={**whole.plan, "key": f"preview-{whole.plan['key']}"},
    )
