"""Writes how people sign in: invitations, passwords, sessions, tokens, roles. Each decision leaves a line in the audit.

Secrets come as digests, passwords as Argon2id keeps them. Whoever changes who may do what has the turn of `people`
until the commit, so that two admins cannot take each other's role at once and leave none.
"""

from dataclasses import dataclass
from typing import cast

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from catalog.clock import now, seconds_ago
from catalog.errors import NotFound
from catalog.label_records import PersonRecord, Role
from catalog.people_records import AuditAct, BadAccount, Scope, person_name
from catalog.schema import InvitationRow, PasswordRow, PersonRow, SessionRow, TokenRow
from catalog.writer.audit import note
from catalog.writer.people import person_id
from catalog.writer.turns import take_turn

LONGEST_CLIENT = 120
LONGEST_TOKEN_NAME = 60
MOST_TOKENS = 50
MOST_INVITATIONS = 500


@dataclass(frozen=True, slots=True)
class Doer:
    """Who does something, and from which address."""

    name: str
    address: str = ""


class AccountWriter:
    """Writes through a session that writes. by: who does it. Raises BadAccount on what cannot be, NotFound where nobody
    has the name.
    """

    def __init__(self, session: Session, by: Doer) -> None:
        self._session = session
        self._by = by

    def note(self, act: AuditAct, about: str = "") -> None:
        """A line of the audit log."""
        note(self._session, act, person=self._by.name, about=about, address=self._by.address)

    def invite(self, name: str, role: Role, *, digest: str, hours: float) -> str:
        """Lets somebody choose a password within that time; gives their name as stored.

        An invitation that waits under the same name is replaced.
        """
        take_turn(self._session, "people")
        name = person_name(name)
        person = self._named(name)
        if person is not None and self._session.get(PasswordRow, person.id) is not None:
            raise BadAccount(
                f"{person.name!r} is here already. Choose another name, or make a link for a new password."
            )
        if person is not None and (person.name != name or person.kind != "person"):
            raise BadAccount(f"The name {name!r} is too much like that of {person.name!r}. Choose another.")
        self._put_invitation(name, role, digest=digest, hours=hours)
        self.note("invited", f"{name} as {role}")
        return name

    def renew(self, name: str, *, digest: str, hours: float) -> None:
        """Lets somebody who can sign in choose a new password within that time. The old one holds until then."""
        take_turn(self._session, "people")
        person = self._with_password(name)
        self._put_invitation(person.name, None, digest=digest, hours=hours)
        self.note("invited", f"{person.name} to choose a new password")

    def withdraw(self, invitation: int) -> None:
        """Makes a link useless."""
        row = self._session.get(InvitationRow, invitation)
        if row is not None:
            self._session.delete(row)
            self.note("invitation withdrawn", row.name)

    def join(self, digest: str, *, password: str) -> str:
        """Uses a link up: the person of its name gets that password, and all their sessions end. Gives the name."""
        take_turn(self._session, "people")
        row = self._session.scalar(select(InvitationRow).where(InvitationRow.digest == digest))
        if row is None or row.expires_at <= now():
            raise BadAccount("This link has been used, was withdrawn, or is too old. Ask an admin for another.")
        number = person_id(self._session, PersonRecord(row.name, cast(Role, row.role or "viewer")))
        person = self._session.get_one(PersonRow, number)
        if row.role is not None:
            person.role = row.role
        self._session.delete(row)
        self._set_password(person, password)
        about = f"{person.name} as {person.role}" if row.role else f"{person.name}, with a new password"
        note(self._session, "joined", person=person.name, about=about, address=self._by.address)
        return person.name

    def change_password(self, name: str, password: str, *, proven: str) -> None:
        """Another password; all sessions of the person end. proven: what is kept of the one that they showed."""
        take_turn(self._session, "people")
        self._set_password(self._proven(name, proven), password)
        self.note("password changed", name)

    def open_session(self, name: str, *, proven: str, digest: str, days: float, client: str = "") -> None:
        """Signs a person in; what has run out is cleared away. proven: as in `change_password`."""
        take_turn(self._session, "people")
        person = self._proven(name, proven)
        self._session.execute(delete(SessionRow).where(SessionRow.expires_at <= now()))
        values = {"digest": digest, "person_id": person.id, "client": client[:LONGEST_CLIENT]}
        self._session.add(SessionRow(**values, created_at=now(), expires_at=seconds_ago(-86_400 * days)))
        note(self._session, "signed in", person=person.name, address=self._by.address)

    def end_session(self, digest: str) -> None:
        """Signs one browser out."""
        self.drop_session(digest)
        self.note("signed out")

    def drop_session(self, digest: str) -> None:
        """The same without a line of the log, for a session that a new one takes the place of."""
        self._session.execute(delete(SessionRow).where(SessionRow.digest == digest))

    def end_sessions(self, name: str) -> None:
        """Signs a person out everywhere. Tokens stay."""
        self._end_sessions(self._person(name))
        self.note("signed out everywhere", name)

    def set_role(self, name: str, role: Role) -> None:
        """Another role. Raises BadAccount where it would leave no admin who can sign in."""
        take_turn(self._session, "people")
        person = self._person(name)
        if person.role == role:
            return
        self._keep_an_admin(person)
        self.note("role changed", f"{name} from {person.role} to {role}")
        person.role = role

    def remove_access(self, name: str) -> None:
        """Ends a person's password, sessions, tokens and invitation; what they said stays. As `set_role` otherwise."""
        take_turn(self._session, "people")
        person = self._person(name)
        self._keep_an_admin(person)
        self._end_sessions(person)
        for kind in (PasswordRow, TokenRow):
            self._session.execute(delete(kind).where(kind.person_id == person.id))
        self._session.execute(delete(InvitationRow).where(InvitationRow.name == person.name))
        self.note("access removed", name)

    def make_token(self, name: str, title: str, *, scope: Scope, digest: str, days: float) -> None:
        """A token of a person's."""
        take_turn(self._session, "people")
        person = self._with_password(name)
        if not 1 <= len(title) <= LONGEST_TOKEN_NAME:
            raise BadAccount(f"A token has a name of 1 to {LONGEST_TOKEN_NAME} characters; this has {len(title)}.")
        self._session.execute(delete(TokenRow).where(TokenRow.expires_at <= now()))
        count = self._session.scalar(select(func.count()).select_from(TokenRow).where(TokenRow.person_id == person.id))
        if (count or 0) >= MOST_TOKENS:
            raise BadAccount(f"You have {count} tokens; {MOST_TOKENS} are the most. Revoke one first.")
        values = {"digest": digest, "person_id": person.id, "name": title, "scope": scope}
        self._session.add(TokenRow(**values, created_at=now(), expires_at=seconds_ago(-86_400 * days)))
        self.note("token made", f"{title} ({scope}) of {name}")

    def revoke_token(self, name: str, token: int) -> None:
        """Makes a token of that person's useless. Raises NotFound on one of somebody else's."""
        row = self._session.get(TokenRow, token)
        if row is None or row.person_id != self._person(name).id:
            raise NotFound("token", str(token))
        self._session.delete(row)
        self.note("token revoked", f"{row.name} ({row.scope}) of {name}")

    def _put_invitation(self, name: str, role: Role | None, *, digest: str, hours: float) -> None:
        stale = or_(InvitationRow.name == name, InvitationRow.expires_at <= now())
        self._session.execute(delete(InvitationRow).where(stale))
        count = self._session.scalar(select(func.count()).select_from(InvitationRow)) or 0
        if count >= MOST_INVITATIONS:
            raise BadAccount(
                f"{count} invitations wait to be used; {MOST_INVITATIONS} are the most. Withdraw some first."
            )
        values = {"digest": digest, "name": name, "role": role, "made_by": self._by.name}
        self._session.add(InvitationRow(**values, created_at=now(), expires_at=seconds_ago(-3_600 * hours)))

    def _set_password(self, person: PersonRow, password: str) -> None:
        self._end_sessions(person)
        self._session.execute(delete(PasswordRow).where(PasswordRow.person_id == person.id))
        self._session.add(PasswordRow(person_id=person.id, hash=password, changed_at=now()))

    def _end_sessions(self, person: PersonRow) -> None:
        self._session.execute(delete(SessionRow).where(SessionRow.person_id == person.id))

    def _keep_an_admin(self, person: PersonRow) -> None:
        """Raises BadAccount where the person is the last admin who can sign in."""
        if person.role != "admin" or self._session.get(PasswordRow, person.id) is None:
            return
        admins = select(func.count()).select_from(PersonRow).join(PasswordRow).where(PersonRow.role == "admin")
        if (self._session.scalar(admins) or 0) < 2:
            raise BadAccount(f"{person.name!r} is the only admin who can sign in. Make somebody else an admin first.")

    def _named(self, name: str) -> PersonRow | None:
        """Whoever has that name, in capitals or not."""
        people = self._session.scalars(select(PersonRow).where(func.lower(PersonRow.name) == name.lower())).all()
        return next((each for each in people if each.name == name), people[0] if people else None)

    def _person(self, name: str) -> PersonRow:
        person = self._session.scalar(select(PersonRow).where(PersonRow.name == name))
        if person is None:
            raise NotFound("person", name)
        return person

    def _proven(self, name: str, proven: str) -> PersonRow:
        """The person, whose password is still the one that was shown. Raises BadAccount where it is not."""
        person = self._with_password(name)
        kept = self._session.get(PasswordRow, person.id)
        if kept is None or kept.hash != proven:
            raise BadAccount("The password was changed meanwhile. Try again with the new one.")
        return person

    def _with_password(self, name: str) -> PersonRow:
        person = self._person(name)
        if self._session.get(PasswordRow, person.id) is None:
            raise BadAccount(f"{name!r} cannot sign in: they have no password. Invite them first.")
        return person
