"""A column among many numbers, sent as one value, so that the statement is the same however many there are.

An IN list has a parameter for each number: the statement is put together anew each time, and PostgreSQL can keep no
plan for it.
"""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, bindparam
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, Text, TypeDecorator


def among(column: InstrumentedAttribute[int], name: str, numbers: Sequence[int] | None = None) -> ColumnElement[Any]:
    """Whether the column is in a list of whole numbers: those given, else those bound under the name when it is run."""
    kind = _NumberList()
    given = bindparam(name, type_=kind) if numbers is None else bindparam(name, list(numbers), type_=kind)
    return _Among(column, given)


class _NumberList(TypeDecorator[list[int]]):
    """A list of whole numbers: an array on PostgreSQL, JSON text on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        """The type that the driver sees."""
        return dialect.type_descriptor(ARRAY(BigInteger()) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: list[int] | None, dialect: Any) -> Any:
        """The value that the driver sees."""
        return value if dialect.name == "postgresql" else json.dumps(value)


class _Among(FunctionElement[Any]):
    """Of two clauses: a column and a list of numbers.

    Not of boolean type: SQLite has none, so that SQLAlchemy would put "= 1" behind it, which no index answers.
    """

    type = NullType()
    inherit_cache = True


@compiles(_Among, "postgresql")
def _on_postgresql(element: _Among, compiler: Any, **options: Any) -> str:
    column, numbers = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} = ANY({numbers})"


@compiles(_Among, "sqlite")
def _on_sqlite(element: _Among, compiler: Any, **options: Any) -> str:
    column, numbers = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({numbers}))"
