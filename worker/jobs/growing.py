"""Growing a harvest: the request for it, what it starts from, and what becomes of the harvest that has grown."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from catalog.reader import CatalogReader
from catalog.records import HarvestRecord
from worker.harvest.fold import Folded
from worker.harvest.plan import HarvestPlan
from worker.jobs.context import JobContext
from worker.jobs.errors import JobError
from worker.jobs.harvest_inputs import HarvestInputs
from worker.jobs.harvest_shard import OpenHarvest
from worker.jobs.kept import drop, kept_bytes, read_kept
from worker.jobs.requests import HarvestRequest, from_json

GROWN_FROM = "grown_from"


@dataclass(frozen=True, slots=True)
class Addition:
    """What is added to a harvest. tokens: of the same corpora, from where it stopped; corpora: behind them."""

    tokens: int | None = None
    corpora: tuple[str, ...] = ()


def growth_request(
    reader: CatalogReader, base: HarvestRecord, dictionaries: Sequence[str], addition: Addition
) -> HarvestRequest:
    """What to ask a worker for, so that the harvest grows by the addition; all else is as it was asked for then.

    With corpora and no tokens, all of them is added. Raises JobError where the harvest is not of these dictionaries.
    """
    others = [slug for slug in dictionaries if slug not in base.dictionaries]
    if others:
        raise JobError(
            f"The harvest {base.id} is of {', '.join(base.dictionaries)}, not of {', '.join(others)}. "
            "Name the dictionaries that it has, or another harvest with --harvest."
        )
    asked = from_json(HarvestRequest, base.plan["request"])
    behind = reader.corpus(base.corpus).n_documents
    joined = (*asked.joined, *({"corpus": corpus, "behind": behind} for corpus in addition.corpora[:1]))
    joined += tuple({"corpus": corpus, "behind": None} for corpus in addition.corpora[1:])
    seen = base.plan["harvest"]["corpus_tokens"]
    return replace(
        asked,
        dictionaries=tuple(dictionaries),
        joined=joined,
        grow=base.id,
        max_tokens=None if addition.tokens is None else seen + addition.tokens,
        max_documents=None,
        again=False,
    )


@dataclass(frozen=True, slots=True)
class Base:
    """The harvest that grows, with its plan."""

    record: HarvestRecord
    plan: HarvestPlan

    @property
    def dtype(self) -> str:
        """In which the model ran."""
        return self.record.plan["dtype"]


def find_base(context: JobContext, harvest_id: str | None) -> Base | None:
    """The harvest that a request adds to; None where it begins anew.

    Raises JobError where it is not complete, or nothing is kept of it.
    """
    if harvest_id is None:
        return None
    with context.ledger.reading() as reader:
        record = reader.harvest(harvest_id)
    check_kept(context, record)
    return Base(record, HarvestPlan.from_json(record.plan["harvest"]))


def check_kept(context: JobContext, record: HarvestRecord) -> None:
    """Raises JobError where nothing is kept of a harvest, or not yet, with the way out."""
    if record.status != "complete" or kept_bytes(context.store, record.id) is None:
        raise JobError(
            f"The harvest {record.id} is {record.status}, and nothing is kept of it that more text could be added to: "
            "it was forgotten, replaced, never kept, or is not complete yet. Harvest the longer corpus anew, with "
            "--corpus and --max-tokens."
        )


def check_base(context: JobContext, base: Base, inputs: HarvestInputs) -> None:
    """Raises JobError where the model or the beginning of the corpus is no longer what the harvest went through."""
    was = base.record.provenance["model"]["weights_hash"]
    if was != inputs.model.weights_hash:
        raise JobError(f"The harvest {base.record.id} was of other weights of the model; harvest it anew.")
    with context.ledger.reading() as reader:
        corpus = reader.corpus(base.record.corpus)
    n = corpus.n_documents
    if inputs.corpus.n_documents < n or inputs.corpus.hash_of_first(n) != corpus.hash:
        raise JobError(
            f"The corpus no longer begins with the {n:,} documents that the harvest {base.record.id} went through; its "
            "files have changed since. Harvest it anew, with --corpus."
        )


def grown_from(base: Base, dictionaries: Sequence[str]) -> dict[str, Any]:
    """What a grown harvest remembers of the one it came from. places: of its dictionaries among the base's."""
    return {
        "harvest": base.record.id,
        "plan_digest": base.plan.digest,
        "places": [base.record.dictionaries.index(slug) for slug in dictionaries],
    }


def growth_provenance(base: Base) -> dict[str, Any]:
    """How the numbers came about, for people: the harvests before this one and what made them."""
    mine = {"harvest": base.record.id, "tokens": base.plan.corpus_tokens}
    mine |= {name: base.record.provenance.get(name) for name in ("device", "torch", "featurescope")}
    return {GROWN_FROM: [*base.record.provenance.get(GROWN_FROM, ()), mine]}


def state_before(context: JobContext, harvest: OpenHarvest, numbers: Sequence[int]) -> Folded | None:
    """What the harvest adds to, of some of its dictionaries, read from where it is kept; None where it began anew."""
    came_from = harvest.record.plan.get(GROWN_FROM)
    if came_from is None:
        return None
    return read_kept(
        context.store,
        came_from["harvest"],
        harvest.plan,
        contexts=harvest.inputs.contexts,
        digest=came_from["plan_digest"],
        places=[came_from["places"][number] for number in numbers],
    )


def drop_replaced(context: JobContext, harvest: OpenHarvest) -> None:
    """Remove what is kept of harvests that nobody would grow any more, because a newer one stands in their place."""
    with context.ledger.reading() as reader:
        earlier = {each.id: each.status for slug in harvest.record.dictionaries for each in reader.harvests(slug)}
    for harvest_id, status in earlier.items():
        if status in ("replaced", "cancelled", "failed"):
            drop(context.store, harvest_id)
