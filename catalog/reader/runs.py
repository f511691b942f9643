"""Finds the run that a request means: a dictionary, in the harvest named or the one shown."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, select
from sqlalchemy.orm import Session

from catalog.reader.dictionaries import unknown_dictionary
from catalog.reader.harvests import shown_run, unknown_harvest
from catalog.schema import DictionaryRow, HarvestRow, RunRow


@dataclass(frozen=True, slots=True)
class Run:
    """One dictionary in one harvest. tokens: how many the harvest has gone through so far.

    features: those that it is of, None for all.
    """

    id: int
    harvest: str
    tokens: int
    dictionary_hash: str
    d_sae: int
    features: str | None


def tokens_seen() -> Any:
    """Tokens that a harvest has gone through: all of them once it is complete."""
    unfinished = HarvestRow.status.in_(("running", "paused", "queued"))
    return case((unfinished & (HarvestRow.tokens_done > 0), HarvestRow.tokens_done), else_=HarvestRow.tokens)


def which_run(harvest_id: Any) -> Any:
    """The condition that joins a run to its dictionary and harvest: the harvest named, else the one shown."""
    if harvest_id is None:
        return RunRow.id == shown_run(DictionaryRow.id)
    named = select(HarvestRow.id).where(HarvestRow.key == harvest_id).correlate_except(HarvestRow).scalar_subquery()
    return (RunRow.dictionary_id == DictionaryRow.id) & (RunRow.harvest_id == named)


def find_run(session: Session, slug: str, harvest_id: str | None) -> Run | None:
    """The run, or None where the dictionary has no harvest. Raises NotFound on an unknown dictionary or harvest."""
    query = (
        select(RunRow.id, HarvestRow.key, tokens_seen(), DictionaryRow.hash, DictionaryRow.d_sae, HarvestRow.features)
        .select_from(DictionaryRow)
        .outerjoin(RunRow, which_run(harvest_id))
        .outerjoin(HarvestRow, HarvestRow.id == RunRow.harvest_id)
        .where(DictionaryRow.slug == slug)
    )
    row = session.execute(query).one_or_none()
    if row is None:
        raise unknown_dictionary(session, slug)
    if row[0] is None:
        if harvest_id is not None:
            raise unknown_harvest(session, harvest_id, dictionary_slug=slug)
        return None
    return Run(*row)
