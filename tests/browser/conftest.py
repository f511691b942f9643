"""A real server in a process of its own and a real browser."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from catalog.engine import make_engine
from tests.app.stored import store, store_jobs
from tests.app.synthetic import SyntheticHarvest, synthetic_harvest

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WAIT_MS = 30_000


@pytest.fixture(scope="session")
def harvested() -> SyntheticHarvest:
    """The harvest that the server shows."""
    return synthetic_harvest()


@pytest.fixture(scope="session")
def catalog_url(harvested: SyntheticHarvest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A catalog with the synthetic harvest in it."""
    url = f"sqlite:///{tmp_path_factory.mktemp('catalog') / 'catalog.sqlite'}"
    engine = make_engine(url)
    store(engine, harvested)
    store_jobs(engine)
    engine.dispose()
    return url


@contextmanager
def serving(**environment: str) -> Iterator[str]:
    """Address of a server in a process of its own, with those variables beside what is set here."""
    command = [sys.executable, "-m", "featurescope", "serve", "--port", "0", "--json"]
    root = Path(__file__).resolve().parent.parent.parent
    whole = {**os.environ, **environment}
    with subprocess.Popen(command, cwd=root, env=whole, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"].rstrip("/")
        process.terminate()


@pytest.fixture(scope="session")
def server(catalog_url: str) -> Iterator[str]:
    """Address of a server over that catalog."""
    with serving(FEATURESCOPE_DATABASE_URL=catalog_url) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium; a missing one is a failure in CI and a skip elsewhere."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        reason = f"none of {', '.join(NAMES)} is installed; on Debian: sudo apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Page]:
    """A fresh page; whatever the browser complains of fails the test."""
    with browser.new_context(base_url=server, viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
        assert complaints == []
