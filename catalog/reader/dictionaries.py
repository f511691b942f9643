"""Reads dictionaries, each with the harvest it shows."""

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from catalog.errors import NotFound
from catalog.reader.harvests import harvest_columns, harvest_record, shown_run
from catalog.records import DictionaryRecord, HarvestRecord
from catalog.schema import DictionaryRow, HarvestRow, ModelRow, RunRow


def all_dictionaries(session: Session) -> list[DictionaryRecord]:
    """Every dictionary, oldest first."""
    return _records(session, _select().order_by(DictionaryRow.id))


def one_dictionary(session: Session, slug: str) -> DictionaryRecord:
    """The dictionary of that slug."""
    found = _records(session, _select().where(DictionaryRow.slug == slug))
    if not found:
        raise unknown_dictionary(session, slug)
    return found[0]


def by_hash(session: Session, identity: str) -> DictionaryRecord | None:
    """The dictionary of that identity, or None."""
    found = _records(session, _select().where(DictionaryRow.hash == identity))
    return found[0] if found else None


def unknown_dictionary(session: Session, slug: str) -> NotFound:
    """The error for a dictionary that is not there."""
    return NotFound("dictionary", slug, known=session.scalars(select(DictionaryRow.slug)))


def dictionary_record(row: DictionaryRow, model: str, harvest: HarvestRecord | None) -> DictionaryRecord:
    """The record of a dictionary. model: its slug."""
    names = [name for name in DictionaryRecord.__dataclass_fields__ if name not in ("model", "harvest")]
    return DictionaryRecord(**{name: getattr(row, name) for name in names}, model=model, harvest=harvest)


def _select() -> Select:
    return (
        select(DictionaryRow, ModelRow.slug, *harvest_columns(HarvestRow))
        .join(ModelRow, ModelRow.id == DictionaryRow.model_id)
        .outerjoin(RunRow, RunRow.id == shown_run(DictionaryRow.id))
        .outerjoin(HarvestRow, HarvestRow.id == RunRow.harvest_id)
    )


def _records(session: Session, query: Select) -> list[DictionaryRecord]:
    records = []
    for row, model, harvest, harvest_model, corpus, n_ctx, names in session.execute(query):
        shown = harvest and harvest_record(harvest, harvest_model, corpus, n_ctx=n_ctx, dictionaries=names)
        records.append(dictionary_record(row, model, shown))
    return records
