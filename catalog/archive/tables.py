"""The tables that a database has now, whatever its revision, in an order in which they can be filled."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, MetaData, Table
from sqlalchemy.types import JSON, Boolean, Float, Integer, LargeBinary, String, TypeEngine

Kind = Literal["integer", "real", "boolean", "text", "json", "bytes"]
# JSON before String, for SQLite keeps it as text.
KINDS: tuple[tuple[type[TypeEngine], Kind], ...] = (
    (JSON, "json"),
    (Boolean, "boolean"),
    (Integer, "integer"),
    (Float, "real"),
    (LargeBinary, "bytes"),
    (String, "text"),
)
REVISION_TABLE = "alembic_version"
PASSING = frozenset({REVISION_TABLE, "worker_heartbeat", "session", "invitation"})
"""Tables that no archive holds: what they say is true of one database at one moment. Nobody comes back signed in."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column and what its values are."""

    name: str
    kind: Kind


def tables_of(connection: Connection, *, known: frozenset[str] | None = None) -> list[Table]:
    """Every table of the catalog that lasts, those referred to first. known: the only names to look for."""
    found = MetaData()
    found.reflect(connection, only=None if known is None else lambda name, _: name in known)
    return [table for table in found.sorted_tables if table.name not in PASSING]


def columns_of(table: Table) -> tuple[Column, ...]:
    """The columns of a table, in their order. Raises AssertionError on a type that no archive can hold yet."""
    return tuple(Column(column.name, kind_of(column.type)) for column in table.columns)


def kind_of(sql_type: TypeEngine) -> Kind:
    """What the values of a column are."""
    for known, kind in KINDS:
        if isinstance(sql_type, known):
            return kind
    raise AssertionError(f"columns of type {sql_type!r} cannot be archived yet: add the type to KINDS")
