"""Writes down who signed in or decided something. Rows are only ever added."""

from sqlalchemy.orm import Session

from catalog.clock import now
from catalog.label_text import one_line
from catalog.people_records import LONGEST_ABOUT, AuditAct
from catalog.schema import AuditRow


def note(session: Session, act: AuditAct, *, person: str, about: str = "", address: str = "") -> None:
    """One line of the audit log, in the transaction of what it tells of."""
    told = one_line(about)
    told = told if len(told) <= LONGEST_ABOUT else told[: LONGEST_ABOUT - 1] + "…"
    session.add(AuditRow(at=now(), act=act, person=person, about=told, address=address[:64]))
