"""What people do about signing in, from a page or the command line: one writing session each."""

from collections.abc import Callable
from typing import TypeVar

from fastapi import Request
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from app.people.accounts import Accounts, doer
from app.people.cookie import new_secret
from catalog.engine import session_scope
from catalog.label_records import PersonRecord
from catalog.people_records import digest_of
from catalog.reader import CatalogReader
from catalog.reader.accounts import AccountReader
from catalog.writer import CatalogWriter
from catalog.writer.accounts import AccountWriter, Doer

Found = TypeVar("Found")


def write(engine: Engine, by: Doer, act: Callable[[AccountWriter], Found]) -> Found:
    """Does it. Raises what the act raises; then nothing has changed."""
    with session_scope(engine, write=True) as session:
        return act(CatalogWriter(session).accounts(by))


def read(engine: Engine, ask: Callable[[AccountReader], Found]) -> Found:
    """Asks the catalog."""
    with session_scope(engine) as session:
        return ask(CatalogReader(session).accounts)


async def prove(accounts: Accounts, name: str, password: str) -> str | None:
    """What is kept of a person's password, where they showed it; None where not. The same work for every name."""
    kept = await run_in_threadpool(read, accounts.engine, lambda people: people.password(name))
    return kept if await accounts.passwords.is_right(kept, password) else None


async def open_session(accounts: Accounts, request: Request, *, name: str, proven: str) -> str:
    """Signs a browser in and gives what its cookie has to say. An older session of the browser ends."""
    secret = new_secret()
    client = request.headers.get("user-agent", "")
    old = accounts.cookie.read(request)
    by = doer(request, PersonRecord(name, "viewer"))

    def act(people: AccountWriter) -> None:
        if old is not None:
            people.drop_session(digest_of(old))
        people.open_session(name, proven=proven, digest=digest_of(secret), days=accounts.session_days, client=client)

    await run_in_threadpool(write, accounts.engine, by, act)
    return secret
