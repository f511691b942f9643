"""Somebody who has come in person to a page about signing in: who they are, and what their requests may do there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from app.account_acts import write
from app.dependencies import Site, SiteOf
from app.people.accounts import Accounts, AccountsOf, doer
from app.people.attempts import Door, network_of
from app.people.rules import AdminMyself, Myself
from catalog.label_records import PersonRecord
from catalog.writer.accounts import AccountWriter

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of somebody who is signed in with a session."""

    request: Request
    site: Site
    accounts: Accounts
    me: PersonRecord

    @property
    def session(self) -> str:
        """Digest of the session that the request belongs to."""
        return getattr(self.request.state, "session", "")

    def count(self, door: Door) -> None:
        """One attempt more from where they are. Raises TooOften."""
        self.accounts.attempts.count(door, network_of(self.request))

    def do(self, act: Callable[[AccountWriter], Found]) -> Found:
        """Does it, as them. Raises what the act raises; then nothing has changed."""
        return write(self.accounts.engine, doer(self.request, self.me), act)

    async def do_aside(self, act: Callable[[AccountWriter], Found]) -> Found:
        """The same in a thread, for a route that waits for its form."""
        return await run_in_threadpool(self.do, act)


async def _mine(request: Request, me: Myself, site: SiteOf, accounts: AccountsOf) -> Visit:
    return Visit(request, site, accounts, me)


async def _admins(request: Request, me: AdminMyself, site: SiteOf, accounts: AccountsOf) -> Visit:
    return Visit(request, site, accounts, me)


MyVisit = Annotated[Visit, Depends(_mine)]
AdminVisit = Annotated[Visit, Depends(_admins)]
