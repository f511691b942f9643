"""Reads how people sign in: what admins see of them, who a session or a token belongs to, and the audit log."""

from collections.abc import Iterator
from typing import Any, cast

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from catalog.clock import now
from catalog.label_records import PersonKind, PersonRecord, Role
from catalog.people_records import (
    AccountRecord,
    AuditAct,
    AuditRecord,
    InvitationRecord,
    Scope,
    SessionRecord,
    TokenRecord,
)
from catalog.schema import AuditRow, InvitationRow, PasswordRow, PersonRow, SessionRow, TokenRow

AT_ONCE = 500


class AccountReader:
    """Reads through one session of `catalog.engine.session_scope`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def with_session(self, digest: str) -> PersonRecord | None:
        """Whoever is signed in with that session; None where it has ended or run out."""
        row = self._session.execute(_owner_of(SessionRow), {"digest": digest, "now": now()}).first()
        return None if row is None else _person(row)

    def with_token(self, digest: str) -> tuple[PersonRecord, Scope] | None:
        """Whoever a token belongs to, and what it is for; None where it was revoked or has run out."""
        query = _owner_of(TokenRow).add_columns(TokenRow.scope)
        row = self._session.execute(query, {"digest": digest, "now": now()}).first()
        return None if row is None else (_person(row), cast(Scope, row.scope))

    def password(self, name: str) -> str | None:
        """What is kept of a person's password; None where there is no such person, or they have none."""
        query = select(PasswordRow.hash).join(PersonRow, PersonRow.id == PasswordRow.person_id)
        return self._session.scalar(query.where(PersonRow.name == name))

    def has_admin(self) -> bool:
        """Whether any admin can sign in."""
        query = select(PersonRow.id).join(PasswordRow).where(PersonRow.role == "admin")
        return self._session.scalar(query.limit(1)) is not None

    def all(self) -> list[AccountRecord]:
        """Every person, by name; the authors of imported labels too."""
        sessions, tokens = self._counts(SessionRow), self._counts(TokenRow)
        query = select(PersonRow, PasswordRow.hash.is_not(None)).outerjoin(PasswordRow).order_by(PersonRow.name)
        people = self._session.execute(query.where(PersonRow.kind == "person")).all()
        return [
            AccountRecord(
                name=person.name,
                role=cast(Role, person.role),
                has_password=bool(has_password),
                created_at=person.created_at,
                n_sessions=sessions.get(person.id, 0),
                n_tokens=tokens.get(person.id, 0),
            )
            for person, has_password in people
        ]

    def invitations(self) -> list[InvitationRecord]:
        """Links that wait to be used, the newest first."""
        query = select(InvitationRow).where(InvitationRow.expires_at > now()).order_by(InvitationRow.id.desc())
        return [_invitation(row) for row in self._session.scalars(query)]

    def invitation(self, digest: str) -> InvitationRecord | None:
        """What a link is for; None where it is useless."""
        query = select(InvitationRow).where(InvitationRow.digest == digest, InvitationRow.expires_at > now())
        row = self._session.scalar(query)
        return None if row is None else _invitation(row)

    def sessions(self, name: str) -> list[SessionRecord]:
        """Where a person is signed in, the newest first."""
        query = _of(SessionRow, name).order_by(SessionRow.created_at.desc())
        return [
            SessionRecord(row.digest, row.client, row.created_at, row.expires_at)
            for row in self._session.scalars(query)
        ]

    def tokens(self, name: str) -> list[TokenRecord]:
        """A person's tokens that have not run out, the newest first."""
        query = _of(TokenRow, name).order_by(TokenRow.id.desc())
        return [
            TokenRecord(row.id, row.name, cast(Scope, row.scope), row.created_at, row.expires_at)
            for row in self._session.scalars(query)
        ]

    def audit(self, *, before: int | None = None, limit: int = 100) -> list[AuditRecord]:
        """Lines of the audit log, the newest first. before: the number behind which to go on."""
        query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
        if before is not None:
            query = query.where(AuditRow.id < before)
        return [_audit(row) for row in self._session.scalars(query)]

    def whole_audit(self) -> Iterator[AuditRecord]:
        """The audit log, oldest first, some hundred lines at a time."""
        last = 0
        while rows := self._session.scalars(
            select(AuditRow).where(AuditRow.id > last).order_by(AuditRow.id).limit(AT_ONCE)
        ).all():
            yield from (_audit(row) for row in rows)
            last = rows[-1].id
            self._session.expunge_all()

    def _counts(self, kind: type[SessionRow] | type[TokenRow]) -> dict[int, int]:
        query = select(kind.person_id, func.count()).where(kind.expires_at > now()).group_by(kind.person_id)
        return {number: count for number, count in self._session.execute(query)}


def _owner_of(kind: type[SessionRow] | type[TokenRow]) -> Any:
    from_session = select(PersonRow.name, PersonRow.role, PersonRow.kind).join(kind, kind.person_id == PersonRow.id)
    return from_session.where(kind.digest == bindparam("digest"), kind.expires_at > bindparam("now"))


def _of(kind: type[SessionRow] | type[TokenRow], name: str) -> Any:
    query = select(kind).join(PersonRow, PersonRow.id == kind.person_id)
    return query.where(PersonRow.name == name, kind.expires_at > now())


def _person(row: Any) -> PersonRecord:
    return PersonRecord(row.name, cast(Role, row.role), cast(PersonKind, row.kind))


def _invitation(row: InvitationRow) -> InvitationRecord:
    role = cast("Role | None", row.role)
    return InvitationRecord(row.id, row.name, role, row.made_by, row.created_at, row.expires_at)


def _audit(row: AuditRow) -> AuditRecord:
    return AuditRecord(row.id, row.at, cast(AuditAct, row.act), row.person, row.about, row.address)
