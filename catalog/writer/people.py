"""Writes people down."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from catalog.clock import now
from catalog.label_records import PersonRecord
from catalog.schema import Base, PersonRow


def person_id(session: Session, person: PersonRecord) -> int:
    """The number of a person's row. Where there is none of that name it is made, with the role given."""
    number = session.scalar(select(PersonRow.id).where(PersonRow.name == person.name))
    if number is None:
        values = {"name": person.name, "role": person.role, "kind": person.kind, "created_at": now()}
        insert_if_new(session, PersonRow, values, key=["name"])
        number = session.scalars(select(PersonRow.id).where(PersonRow.name == person.name)).one()
    return number


def insert_if_new(session: Session, kind: type[Base], values: dict[str, Any], *, key: list[str]) -> None:
    """Inserts a row unless one with the same key is there; it waits for whoever is inserting that one."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    session.execute(insert(kind).values(**values).on_conflict_do_nothing(index_elements=key))
