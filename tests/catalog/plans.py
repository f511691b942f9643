"""What the databases say of how they answer a query, and whether that goes through a table."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, event

BIG = ("feature", "feature_page", "context_block", "document")
"""Tables with a row for each feature, context or document. All have a key of two columns."""
WHOLE_LISTS = tuple(
    f"SCAN {name}" for name in ("dictionary", "harvest", "model", "corpus", "label_change", "labelling", "audit")
)
"""Lists of everything there is, read in the order of their key, a page of them where they grow long; coverage counts
all that is labelled."""
WITHOUT_TABLE = ("SCAN json_each ", "SCAN anon_", "SCAN CONSTANT ROW")
_NO_QUESTION = ("pg_catalog", "set_config", "alembic_version")
_AS_IF_LARGE = ("SAVEPOINT plans", "SET LOCAL enable_seqscan = off", "SET LOCAL enable_bitmapscan = off")


@dataclass(frozen=True, slots=True)
class Explained:
    """A query and the lines of its plan, made on the connection and at the moment at which it was asked.

    if_large: the plan as if every table were large, on PostgreSQL; SQLite takes them for large always.
    """

    statement: str
    lines: Sequence[str]
    if_large: Sequence[str]

    @property
    def goes_through_everything(self) -> list[str]:
        """The lines that read a whole table, or all rows of a harvest of a big one, and not in order."""
        scans = [line for line in self.if_large if _is_scan(line)]
        return scans + _whole_harvests(self.lines)

    @property
    def sorts(self) -> bool:
        """Whether the plan puts rows in order, rather than reading them so."""
        return _sorts(self.lines)


@contextmanager
def explained(engine: Engine | type[Engine]) -> Iterator[list[Explained]]:
    """The queries that are made meanwhile, of an engine or of all, with their plans."""
    found: list[Explained] = []

    def note(connection: Connection, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asks = statement.lstrip().upper().startswith(("SELECT", "WITH"))
        if asks and not any(word in statement for word in _NO_QUESTION):
            found.append(_explain(connection, statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


def _explain(connection: Connection, statement: str, parameters: Any) -> Explained:
    cursor = connection.connection.cursor()
    if connection.dialect.name == "sqlite":
        lines = [row[-1] for row in cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()]
        return Explained(statement, lines, lines)

    def ask() -> list[str]:
        cursor.execute(f"EXPLAIN {statement}", parameters)
        return [row[0] for row in cursor.fetchall()]

    lines = ask()
    for setting in _AS_IF_LARGE:
        cursor.execute(setting)
    if_large = ask()
    cursor.execute("ROLLBACK TO SAVEPOINT plans")
    return Explained(statement, lines, if_large)


def _is_scan(line: str) -> bool:
    if line in WHOLE_LISTS or line.startswith(WITHOUT_TABLE):
        return False
    return "Seq Scan" in line or (line.startswith("SCAN ") and "USING" not in line)


def _whole_harvests(lines: Sequence[str]) -> list[str]:
    pairs = zip(lines, [*lines[1:], ""], strict=True)
    return [line for line, behind in pairs if _reads_whole(line, behind, is_sorted=_sorts(lines))]


def _reads_whole(line: str, behind: str, *, is_sorted: bool) -> bool:
    """Whether a big table is read from one end to the other, or by the first column of its key alone.

    The latter is the whole harvest: right only for a list that is read in the order of the index, until it is full.
    """
    of_postgres = re.search(r"Seq Scan on (\w+)", line)
    if of_postgres:
        return of_postgres[1] in BIG
    table, columns = _access(line, behind)
    return table in BIG and columns < 2 and (table != "feature" or is_sorted)


def _sorts(lines: Sequence[str]) -> bool:
    return any("TEMP B-TREE FOR ORDER BY" in line or "Sort" in line for line in lines)


def _access(line: str, behind: str) -> tuple[str, int]:
    """The table that a line reads by an index, and by how many of the index's columns."""
    of_sqlite = re.match(r"SEARCH (\w+)(?: AS \w+)? USING .*\((.*)\)$", line)
    if of_sqlite:
        return of_sqlite[1], of_sqlite[2].count(" AND ") + 1
    of_postgres = re.search(r"Index(?: Only)? Scan(?: Backward)? (?:using|on) (?:pk|ix|uq)_(\w+)", line)
    table = max((name for name in BIG if of_postgres and of_postgres[1].startswith(name)), key=len, default="")
    return table, behind.count(" AND ") + 1 if "Index Cond" in behind else 0
