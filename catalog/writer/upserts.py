"""Inserting rows that may be there already, the same on both databases."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from catalog.schema import Base


def upsert(session: Session, kind: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    """Inserts the rows, or overwrites those with the same primary key. All rows have the same columns."""
    if not rows:
        return
    table = kind.__table__
    assert isinstance(table, Table)
    keys = [column.name for column in table.primary_key]
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(table)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    session.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), list(rows))
