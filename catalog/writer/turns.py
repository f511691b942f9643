"""Taking turns: what looks first and writes then must not be done by two at once.

On SQLite every writing transaction is alone anyway, from its beginning. On PostgreSQL a turn is an advisory lock that
ends with the transaction.
"""

from typing import Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

Subject = Literal["registration", "contexts", "people"]
_NUMBERS: dict[Subject, int] = {"registration": 0x66730001, "contexts": 0x66730002, "people": 0x66730003}


def take_turn(session: Session, subject: Subject, number: int = 0) -> None:
    """Waits until nobody else has a turn at the same subject, and has it until the transaction ends.

    number: of the row that is meant, where a subject has many.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_NUMBERS[subject], number)))
