"""What the pages about signing in show: forms, one's own page, everybody, the audit log."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.pages.moments import Moment
from app.pages.numbers import plural
from app.paths import SitePaths
from app.people.passwords import LONGEST, SHORTEST
from catalog.label_records import ROLES, PersonRecord, Role
from catalog.people_records import (
    LONGEST_NAME,
    SCOPES,
    AccountRecord,
    AuditRecord,
    InvitationRecord,
    Scope,
    SessionRecord,
    TokenRecord,
)

AUDIT_LINES = 100
TOKEN_DAYS = 366
USUAL_TOKEN_DAYS = 90
ROLE_WORDS: dict[Role, str] = {
    "viewer": "reads, and tries texts out",
    "labeller": "proposes, changes and votes",
    "admin": "also hides and chooses labels, stops jobs, and decides who may do what",
}
SCOPE_WORDS: dict[Scope, str] = {
    "read": "read",
    "label": "read and label",
    "admin": "all that you may do, but for people",
}


@dataclass(frozen=True, slots=True)
class SignInPage:
    """place: where they go then. name, problem: what was typed and what is wrong with it."""

    place: str
    name: str = ""
    problem: str = ""
    longest_name: int = LONGEST_NAME


@dataclass(frozen=True, slots=True)
class JoinPage:
    """name: of whoever was invited, None where the link is useless. role: None where they only get a new password."""

    name: str | None
    role: Role | None
    secret: str
    problem: str = ""
    shortest: int = SHORTEST
    longest: int = LONGEST


@dataclass(frozen=True, slots=True)
class SessionView:
    """A browser in which one is signed in."""

    client: str
    since: Moment
    until: Moment
    is_here: bool


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token, without what it says."""

    id: int
    name: str
    scope: str
    made: Moment
    until: Moment


@dataclass(frozen=True, slots=True)
class AccountPage:
    """One's own page. scopes: those one may give a token, with what they mean. new_token: shown this once."""

    name: str
    role: Role
    role_words: str
    sessions: tuple[SessionView, ...]
    tokens: tuple[TokenView, ...]
    scopes: tuple[tuple[str, str], ...]
    problem: str = ""
    new_token: str = ""
    shortest: int = SHORTEST
    longest: int = LONGEST
    most_days: int = TOKEN_DAYS
    usual_days: int = USUAL_TOKEN_DAYS


@dataclass(frozen=True, slots=True)
class PersonView:
    """Somebody as admins see them. access: whether and how they come in."""

    name: str
    role: Role
    access: str
    has_password: bool
    is_me: bool


@dataclass(frozen=True, slots=True)
class InvitationView:
    """A link that waits."""

    id: int
    name: str
    purpose: str
    made_by: str
    until: Moment


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """Everybody. authors: those who only have labels here and cannot sign in. link: shown this once."""

    people: tuple[PersonView, ...]
    authors: tuple[PersonView, ...]
    invitations: tuple[InvitationView, ...]
    roles: tuple[tuple[Role, str], ...]
    problem: str = ""
    link: str = ""
    longest_name: int = LONGEST_NAME


@dataclass(frozen=True, slots=True)
class AuditView:
    """A line of the audit log."""

    number: int
    moment: Moment
    person: str
    act: str
    about: str
    address: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Some lines of it, and where older ones are."""

    lines: tuple[AuditView, ...]
    older_href: str | None


def account_page(
    me: PersonRecord,
    sessions: Sequence[SessionRecord],
    tokens: Sequence[TokenRecord],
    *,
    here: str,
    problem: str = "",
    new_token: str = "",
) -> AccountPage:
    """here: digest of the session that the page is looked at with."""
    return AccountPage(
        name=me.name,
        role=me.role,
        role_words=ROLE_WORDS[me.role],
        sessions=tuple(
            SessionView(
                each.client or "an unknown browser",
                Moment(each.created_at),
                Moment(each.expires_at),
                each.digest == here,
            )
            for each in sessions
        ),
        tokens=tuple(
            TokenView(each.id, each.name, SCOPE_WORDS[each.scope], Moment(each.created_at), Moment(each.expires_at))
            for each in tokens
        ),
        scopes=tuple((scope, SCOPE_WORDS[scope]) for scope, role in SCOPES.items() if me.may(role)),
        problem=problem,
        new_token=new_token,
    )


def people_page(
    people: Sequence[AccountRecord],
    invitations: Sequence[InvitationRecord],
    *,
    me: PersonRecord,
    problem: str = "",
    link: str = "",
) -> PeoplePage:
    """Everybody, those who can sign in before the authors of labels who cannot."""
    views = [_person(each, me) for each in people]
    return PeoplePage(
        people=tuple(each for each in views if each.has_password),
        authors=tuple(each for each in views if not each.has_password),
        invitations=tuple(_invitation(each) for each in invitations),
        roles=tuple((role, ROLE_WORDS[role]) for role in ROLES),
        problem=problem,
        link=link,
    )


def audit_page(lines: Sequence[AuditRecord], paths: SitePaths) -> AuditPage:
    """lines: one more than a page shows, where there are older ones."""
    shown = lines[:AUDIT_LINES]
    older = paths.people("audit", before=shown[-1].number) if len(lines) > AUDIT_LINES else None
    views = [
        AuditView(each.number, Moment(each.at), each.person or "–", each.act, each.about, each.address)
        for each in shown
    ]
    return AuditPage(tuple(views), older)


def _person(person: AccountRecord, me: PersonRecord) -> PersonView:
    access = f"{plural(person.n_sessions, 'session')}, {plural(person.n_tokens, 'token')}"
    return PersonView(person.name, person.role, access, person.has_password, person.name == me.name)


def _invitation(each: InvitationRecord) -> InvitationView:
    purpose = f"as {each.role}" if each.role else "for a new password"
    return InvitationView(each.id, each.name, purpose, each.made_by or "the command line", Moment(each.expires_at))
