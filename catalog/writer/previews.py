"""Previews: what a harvest says after some of its shards, as a harvest of its own with contexts of its own.

So nothing of it is mixed with the whole results, and it goes without a trace when those are there.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, exists, select
from sqlalchemy import update as sql_update
from sqlalchemy.orm import Session

from catalog.records import SO_FAR
from catalog.schema import (
    ContextBlockRow,
    ContextSetRow,
    FeaturePageRow,
    FeatureRow,
    HarvestRow,
    HarvestTokensRow,
    RunRow,
)
from catalog.writer.bulk import ShortTransactions
from catalog.writer.turns import take_turn

HIDDEN, SHOWN = "queued", "preview"
LEFT = "failed"
"""What one becomes that was being written when its catalog was backed up."""
ROWS_AT_ONCE = 1024


def is_preview(row: HarvestRow) -> bool:
    """Whether a harvest is a preview, shown already or not."""
    return SO_FAR in row.provenance


def outdated(session: Session, harvest_id: str) -> list[str]:
    """Other previews that the harvest of that id stands in for: those all of whose dictionaries it has."""
    mine = session.scalars(select(HarvestRow).where(HarvestRow.key == harvest_id)).one()
    have = _dictionaries(session, mine.id)
    candidates = select(HarvestRow).where(HarvestRow.status.in_((HIDDEN, SHOWN, LEFT)), HarvestRow.id != mine.id)
    return [
        row.key
        for row in session.scalars(candidates)
        if is_preview(row) and row.id != mine.id and _dictionaries(session, row.id) <= have
    ]


def mark_stopped(session: Session, harvest_id: str, status: str) -> None:
    """Lets the previews of a harvest say that it does not go on."""
    for row in session.scalars(select(HarvestRow).where(HarvestRow.status == SHOWN)):
        if row.provenance.get(SO_FAR, {}).get("harvest") == harvest_id:
            row.provenance = stopped_provenance(row.provenance, status)
    session.flush()


def stopped_provenance(provenance: Mapping[str, Any], status: str) -> dict[str, Any]:
    """The provenance of a preview whose harvest ended so before it was complete."""
    return {**provenance, SO_FAR: {**provenance[SO_FAR], "stopped": status}}


def remove_harvest(session: Session, harvest_id: str) -> bool:
    """Removes a harvest and all it says, in short transactions; whether there was one. Labels stay.

    Contexts go with the last harvest that was cut like it.
    """
    row = session.scalars(select(HarvestRow).where(HarvestRow.key == harvest_id)).one_or_none()
    if row is None:
        return False
    number, context_set_id = row.id, row.context_set_id
    # From now on nobody finds it, while the rest goes.
    session.execute(sql_update(HarvestRow).where(HarvestRow.id == number).values(status=HIDDEN))
    run_ids = session.scalars(select(RunRow.id).where(RunRow.harvest_id == number)).all()
    session.commit()
    for run_id in run_ids:
        for kind in (FeaturePageRow, FeatureRow):
            _remove_rows(session, kind, kind.run_id == run_id, kind.index)
    session.execute(delete(HarvestTokensRow).where(HarvestTokensRow.harvest_id == number))
    session.execute(delete(RunRow).where(RunRow.harvest_id == number))
    session.execute(delete(HarvestRow).where(HarvestRow.id == number))
    session.commit()
    _remove_contexts(session, context_set_id)
    return True


def _remove_contexts(session: Session, context_set_id: int) -> None:
    """The contexts of a set that no harvest uses any more, and the set."""
    take_turn(session, "registration")
    unused = ~exists().where(HarvestRow.context_set_id == ContextSetRow.id)
    # Under another name no new harvest finds it, while the rest goes.
    renamed = sql_update(ContextSetRow).where(ContextSetRow.id == context_set_id, unused)
    name = {"conventions": f"removed {context_set_id}"}
    found = session.execute(renamed.values(**name).returning(ContextSetRow.id)).first()
    session.commit()
    if found is not None:
        mine = ContextBlockRow.context_set_id == context_set_id
        _remove_rows(session, ContextBlockRow, mine, ContextBlockRow.block)
        session.execute(delete(ContextSetRow).where(ContextSetRow.id == context_set_id))
        session.commit()


def _remove_rows(session: Session, kind: Any, condition: Any, key: Any) -> None:
    """Rows by their number, some at a time."""
    transactions = ShortTransactions(session)

    def remove(numbers: Sequence[int]) -> None:
        session.execute(delete(kind).where(condition, key >= numbers[0], key <= numbers[-1]))

    while numbers := session.scalars(select(key).where(condition).order_by(key).limit(ROWS_AT_ONCE)).all():
        session.commit()
        transactions.write(numbers, remove)


def _dictionaries(session: Session, harvest: int) -> set[int]:
    return set(session.scalars(select(RunRow.dictionary_id).where(RunRow.harvest_id == harvest)))
