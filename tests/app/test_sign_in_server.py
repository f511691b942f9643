"""Real servers with accounts, each a process: the command, the link, sessions across processes and restarts."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from app.people.cookie import NAME
from catalog.engine import make_engine
from catalog.revision import migrate
from tests.app.accounts import PASSWORD, secret_on

ROOT = Path(__file__).resolve().parent.parent.parent
TIMEOUT = 60


@pytest.fixture
def environment(database_url: str, tmp_path: Path) -> dict[str, str]:
    engine = make_engine(database_url)
    migrate(engine)
    engine.dispose()
    own = {"FEATURESCOPE_DATABASE_URL": database_url, "FEATURESCOPE_AUTH": "accounts"}
    return {**os.environ, **own, "FEATURESCOPE_HOME": str(tmp_path / "home")}


@contextmanager
def served(environment: dict[str, str]) -> Iterator[httpx.Client]:
    """A client of a server in a process of its own."""
    command = [sys.executable, "-m", "featurescope", "serve", "--port", "0", "--json", "--no-access-log"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        assert (said["sign_in"], said["you_are"]) == ("accounts", None)
        base = said["url"].rstrip("/")
        with httpx.Client(base_url=base, headers={"origin": base}, timeout=TIMEOUT) as client:
            yield client
        process.terminate()


def people(environment: dict[str, str], *words: str) -> str:
    """What the command says."""
    command = [sys.executable, "-m", "featurescope", "people", *words]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_from_the_command_to_a_session_that_holds_everywhere_until_it_is_ended(environment: dict[str, str]):
    link = json.loads(people(environment, "add", "Ada", "--role", "admin", "--json"))["link"]
    with ExitStack() as stack:
        first, second = (stack.enter_context(served(environment)) for _ in range(2))
        assert first.get("/jobs", headers={"accept": "text/html"}).headers["location"] == "/sign-in?next=%2Fjobs"
        form = {"invitation": secret_on(link, "invitation"), "password": PASSWORD}
        assert first.post("/join", data=form).status_code == 303
        assert first.get("/people").status_code == 200
        second.cookies.set(NAME, first.cookies[NAME])
        assert second.get("/people").status_code == 200
        assert second.post("/sign-out").status_code == 303
        assert first.get("/people").status_code == 401
    with served(environment) as client:
        signed = client.post("/sign-in", data={"name": "Ada", "password": PASSWORD, "next": "/people"})
        assert (signed.status_code, signed.headers["location"]) == (303, "/people")
        cookie = client.cookies[NAME]
    with served(environment) as client:
        client.cookies.set(NAME, cookie)
        assert client.get("/people").status_code == 200
        people(environment, "add", "Bob", "--role", "admin")
        assert json.loads(people(environment, "list", "--json")) == {"people": [{"name": "Ada", "role": "admin"}]}
        assert "Bob as admin" in client.get("/people/audit").text


def test_the_secret_of_the_cookies_is_readable_by_its_user_alone(environment: dict[str, str]):
    with served(environment) as client:
        assert client.get("/sign-in").status_code == 200
    kept = Path(environment["FEATURESCOPE_HOME"]) / "session-secret"
    assert kept.stat().st_mode & 0o077 == 0
