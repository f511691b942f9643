"""How people sign in and what they decided: frozen values that cross rooms. What is secret is here as digests only."""

import hashlib
from dataclasses import dataclass
from typing import Literal

from catalog.errors import BadRecord
from catalog.label_records import Role
from catalog.label_text import one_line

Scope = Literal["read", "label", "admin"]
SCOPES: dict[Scope, Role] = {"read": "viewer", "label": "labeller", "admin": "admin"}
"""The greatest role that a token of each scope has; it is never greater than its person's."""
AuditAct = Literal[
    "signed in",
    "sign-in failed",
    "signed out",
    "signed out everywhere",
    "invited",
    "invitation withdrawn",
    "joined",
    "password changed",
    "role changed",
    "access removed",
    "token made",
    "token revoked",
    "labels imported",
    "label hidden",
    "label shown",
    "example removed",
    "audit exported",
]
LONGEST_NAME = 60
LONGEST_ABOUT = 200
GUEST = "a guest"
_RESERVED = frozenset({"owner", GUEST, "admin", "system"})


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """A person as admins see them. has_password: they can sign in. n_sessions: browsers they are signed in with."""

    name: str
    role: Role
    has_password: bool
    created_at: str
    n_sessions: int = 0
    n_tokens: int = 0


@dataclass(frozen=True, slots=True)
class InvitationRecord:
    """A link that waits to be used. role: the one it gives, None where it is a new password for somebody known."""

    id: int
    name: str
    role: Role | None
    made_by: str
    created_at: str
    expires_at: str


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A browser in which somebody is signed in. client: what it says that it is."""

    digest: str
    client: str
    created_at: str
    expires_at: str


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """What a program of a person's shows, without what it shows."""

    id: int
    name: str
    scope: Scope
    created_at: str
    expires_at: str


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """Something that was done. person: who did it, empty where nobody is known. address: where it came from."""

    number: int
    at: str
    act: AuditAct
    person: str
    about: str
    address: str


class BadAccount(BadRecord):
    """A name, a password, an invitation or a token cannot be taken as it is."""


def digest_of(secret: str) -> str:
    """What the catalog keeps of a secret that is long and made by chance."""
    return hashlib.sha256(secret.encode()).hexdigest()


def person_name(given: str) -> str:
    """A name as it is stored. Raises BadAccount on one that is empty, too long, or stands for somebody else."""
    name = one_line(given)
    if not 1 <= len(name) <= LONGEST_NAME:
        raise BadAccount(f"A name has 1 to {LONGEST_NAME} characters; this one has {len(name)}.")
    if not any(letter.isalnum() for letter in name):
        raise BadAccount(f"The name {name!r} has no letter and no digit.")
    if name.casefold() in _RESERVED or name.casefold().endswith("(imported)"):
        raise BadAccount(f"The name {name!r} is taken by the program itself. Choose another.")
    return name
