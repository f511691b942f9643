"""People with passwords for tests: an app in which they sign in, and clients that they sit at."""

import re
from functools import cache
from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.account_acts import read, write
from app.main import create_app
from app.people.cookie import NAME, new_secret
from app.people.passwords import Passwords
from catalog.engine import make_engine
from catalog.label_records import Role
from catalog.people_records import AuditRecord, Scope, digest_of
from catalog.revision import migrate
from catalog.writer.accounts import AccountWriter, Doer
from tests.app.conftest import settings_for
from tests.app.people import BASE

PASSWORD = "a long walk by the sea"
BY = Doer("", "the test")


@cache
def kept_password() -> str:
    """What is stored of PASSWORD; made once, for it is made to be slow."""
    return Passwords().keep_now(PASSWORD)


def accounts_app(url: str, home: Path, **changes: object) -> FastAPI:
    """An app over a database of its own in which people sign in."""
    engine = make_engine(url)
    migrate(engine)
    engine.dispose()
    return create_app(settings_for(url, home, auth="accounts", **changes))


def engine_of(app: FastAPI) -> Engine:
    """The database of an app."""
    return app.state.site.engine


def invite(engine: Engine, name: str, role: Role) -> str:
    """What the link says that lets somebody in."""
    secret = new_secret()
    write(engine, BY, lambda people: people.invite(name, role, digest=digest_of(secret), hours=1))
    return secret


def settle(engine: Engine, name: str, role: Role) -> None:
    """Somebody who can sign in with PASSWORD."""
    secret = invite(engine, name, role)
    write(engine, BY, lambda people: people.join(digest_of(secret), password=kept_password()))


def browser(app: FastAPI) -> TestClient:
    """A browser in which nobody is signed in: it says of every write where it comes from, and follows no link."""
    return TestClient(app, base_url=BASE, headers={"origin": BASE}, follow_redirects=False)


def sign_in(client: TestClient, name: str, password: str = PASSWORD, **more: str):
    """The answer to the form of the sign-in page."""
    return client.post("/sign-in", data={"name": name, "password": password, **more})


def signed_in(app: FastAPI, name: str) -> TestClient:
    """A browser of somebody who is settled, without the work of their password."""
    client, secret, digest = browser(app), new_secret(), kept_password()

    def act(people: AccountWriter) -> None:
        people.open_session(name, proven=digest, digest=digest_of(secret), days=1)

    write(engine_of(app), BY, act)
    client.cookies.set(NAME, app.state.asking.cookie.signed(secret))
    return client


def token_of(app: FastAPI, name: str, scope: Scope, *, days: float = 1) -> str:
    """A token of somebody who is settled."""
    secret = f"fscope_{new_secret()}"

    def act(people: AccountWriter) -> None:
        people.make_token(name, scope, scope=scope, digest=digest_of(secret), days=days)

    write(engine_of(app), BY, act)
    return secret


def program(app: FastAPI, token: str) -> TestClient:
    """A program that shows a token."""
    return TestClient(app, base_url=BASE, headers={"authorization": f"Bearer {token}"}, follow_redirects=False)


def audit_of(engine: Engine) -> list[AuditRecord]:
    """The audit log, oldest first."""
    return list(reversed(read(engine, lambda people: people.audit())))


def secret_on(text: str, kind: str) -> str:
    """The link's or the token's secret that a page shows."""
    pattern = r"invitation=([\w-]+)" if kind == "invitation" else r"(fscope_[\w-]+)"
    found = re.search(pattern, text)
    assert found is not None
    return found[1]
