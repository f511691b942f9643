"""Bulk writing in short transactions, so that nobody else waits for long."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy.orm import Session

LONGEST_HOLD_S = 0.1
_AIM_S = 0.04
_FIRST_ROWS = 32
_MOST_ROWS = 4_096
_FEWEST_ROWS = {"sqlite": 8, "postgresql": 128}
"""SQLite has one writer at a time; on PostgreSQL others only wait for the rows that they want themselves."""
Row = TypeVar("Row")


class ShortTransactions:
    """Writes rows and commits, in portions sized by how long the last ones held the database.

    The aim is well below LONGEST_HOLD_S, because one portion can be slower than the one before.
    write: inserts its rows through the session; it must not commit.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._fewest = _FEWEST_ROWS[session.get_bind().dialect.name]
        self._rows = max(_FIRST_ROWS, self._fewest)
        self.longest_hold_s = 0.0

    def write(self, rows: Sequence[Row], write: Callable[[Sequence[Row]], None]) -> None:
        """All the rows, each portion in a transaction of its own."""
        done = 0
        while done < len(rows):
            portion = rows[done : done + self._rows]
            self._commit(portion, write)
            done += len(portion)

    def _commit(self, portion: Sequence[Row], write: Callable[[Sequence[Row]], None]) -> None:
        self._session.connection()
        began = time.perf_counter()
        write(portion)
        self._session.commit()
        held = time.perf_counter() - began
        self.longest_hold_s = max(self.longest_hold_s, held)
        fitting = int(len(portion) * _AIM_S / max(held, 1e-6))
        self._rows = max(self._fewest, min(fitting, 2 * self._rows, _MOST_ROWS))
