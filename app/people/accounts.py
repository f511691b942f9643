"""People who sign in by password, and programs that show a token. What the catalog keeps of both is a digest."""

from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from app.failures import AppError
from app.paths import SitePaths
from app.people.attempts import Attempts, address_of, network_of
from app.people.cookie import SessionCookie
from app.people.passwords import Passwords
from app.security import SAFE_METHODS
from app.settings import AppSettings
from catalog.engine import session_scope
from catalog.label_records import PersonRecord
from catalog.people_records import SCOPES, digest_of
from catalog.reader import CatalogReader
from catalog.writer.accounts import Doer

PREFIX = "fscope_"
"""What every token begins with, so that people and programs that look for leaked secrets know one."""


class SignInOff(AppError):
    """A page about signing in was asked for where nobody signs in."""

    def __init__(self) -> None:
        super().__init__("There is no sign-in here: whoever opens these pages is the owner.")


class BadToken(AppError):
    """A program showed a token that is none."""

    def __init__(self) -> None:
        super().__init__("This token is not known here: it was revoked, has run out, or never was one.")


class UnsaidOrigin(AppError):
    """A signed-in browser wants to change something and does not say from which site."""

    def __init__(self) -> None:
        super().__init__(
            "Refused: a request with a session's cookie has to say which site it comes from, by Origin or "
            "Sec-Fetch-Site. Programs show a token instead."
        )


class Accounts:
    """Knows people by the cookie of a session, programs by a token. Where a token is shown, no cookie is looked at."""

    has_accounts = True

    def __init__(self, engine: Engine, settings: AppSettings, paths: SitePaths) -> None:
        self.is_reading_open = settings.anonymous_reading
        self.session_days = settings.session_days
        self.engine = engine
        self.cookie = SessionCookie(settings, paths)
        self.passwords = Passwords()
        self.attempts = Attempts()

    async def person(self, request: Request) -> PersonRecord | None:
        """Whoever asks. Raises BadToken, TooOften, and UnsaidOrigin."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return await self._by_token(request, token.strip())
        secret = self.cookie.read(request)
        if secret is None:
            return None
        digest = digest_of(secret)
        person = await run_in_threadpool(self._with_session, digest)
        if person is None:
            return None
        if request.method not in SAFE_METHODS and not _says_origin(request):
            raise UnsaidOrigin
        request.state.session = digest
        return person

    async def _by_token(self, request: Request, token: str) -> PersonRecord:
        self.attempts.check("bearer", network_of(request))
        person = await run_in_threadpool(self._with_token, digest_of(token))
        if person is None:
            self.attempts.count("bearer", network_of(request))
            raise BadToken
        request.state.by_token = True
        return person

    def _with_session(self, digest: str) -> PersonRecord | None:
        with session_scope(self.engine) as session:
            return CatalogReader(session).accounts.with_session(digest)

    def _with_token(self, digest: str) -> PersonRecord | None:
        """The token's person, with no greater role than the token is for."""
        with session_scope(self.engine) as session:
            found = CatalogReader(session).accounts.with_token(digest)
        if found is None:
            return None
        person, scope = found
        role = person.role if not person.may(SCOPES[scope]) else SCOPES[scope]
        return PersonRecord(person.name, role, person.kind)


def _says_origin(request: Request) -> bool:
    return "origin" in request.headers or "sec-fetch-site" in request.headers


async def _accounts(request: Request) -> Accounts:
    asking = request.app.state.asking
    if not isinstance(asking, Accounts):
        raise SignInOff
    return asking


def doer(request: Request, person: PersonRecord | None) -> Doer:
    """Who does something, as the audit log tells it."""
    return Doer(person.name if person else "", address_of(request))


AccountsOf = Annotated[Accounts, Depends(_accounts)]
"""How people sign in here. Raises SignInOff where nobody does; it stands behind the rule of a route."""
