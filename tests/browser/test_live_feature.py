"""The feature page with a worker's door open: own text, examples, contexts run again, with and without script."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import WAIT_MS, serving
from tests.live.conftest import SAE, LiveWorld, harvested_world, open_door
from tests.tiny import ALWAYS, make_tiny_world

pytestmark = pytest.mark.browser
FEATURE = f"/d/{SAE}/{ALWAYS}"


@pytest.fixture(scope="module")
def live_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveWorld]:
    home = tmp_path_factory.mktemp("live-world")
    files = make_tiny_world(tmp_path_factory.mktemp("live-files"))
    with harvested_world(home, f"sqlite:///{home / 'catalog.sqlite'}", files) as world:
        yield world


@pytest.fixture(scope="module")
def live_server(live_world: LiveWorld) -> Iterator[str]:
    """Address of a server over that world. Whether a door is open is each test's own affair."""
    catalog = live_world.context.settings.catalog
    with serving(FEATURESCOPE_HOME=str(catalog.home), FEATURESCOPE_DATABASE_URL=catalog.database_url) as address:
        yield address


@pytest.fixture
def open_world(live_world: LiveWorld) -> Iterator[LiveWorld]:
    with open_door(live_world):
        yield live_world


@contextmanager
def page_at(browser: Browser, address: str, path: str, **options: object) -> Iterator[Page]:
    """A fresh page; whatever the browser complains of fails the test."""
    with browser.new_context(base_url=address, **options) as context:
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path)
        yield page
        assert complaints == []


def barriers(page: Page) -> list[object]:
    found = Axe().run(page).response["violations"]
    return [(each["id"], each["nodes"][:2]) for each in found if each["impact"] in ("serious", "critical")]


@pytest.mark.usefixtures("open_world")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_own_text_is_answered_in_its_place(browser: Browser, live_server: str, scheme: str):
    with page_at(browser, live_server, FEATURE, color_scheme=scheme) as page:
        page.fill("#try-text", "alpha\nbeta")
        page.get_by_role("button", name="Try it").click()
        expect(page.locator("#try .trial__text mark")).to_have_count(10)
        assert page.url.endswith(FEATURE)
        expect(page.locator("#try-text")).to_have_value("alpha\nbeta")
        expect(page.locator("#contexts")).to_be_visible()
        assert barriers(page) == []


@pytest.mark.usefixtures("open_world")
def test_an_opened_context_is_run_again_beneath_it(browser: Browser, live_server: str):
    with page_at(browser, live_server, FEATURE) as page:
        line = page.locator("#contexts .line").first
        line.locator("> p > bdi").click()
        line.get_by_role("link", name="Rerun live").click()
        expect(line.locator(".rerun__verdict h2")).to_have_text("Live gives what is stored")
        expect(line.locator(".rerun__rows tbody tr").first).to_be_visible()
        assert page.url.endswith(FEATURE)
        assert barriers(page) == []


@pytest.mark.usefixtures("open_world")
@pytest.mark.parametrize("has_script", [True, False])
def test_a_text_is_tried_pinned_and_taken_down(browser: Browser, live_server: str, has_script: bool):
    with page_at(browser, live_server, FEATURE, java_script_enabled=has_script) as page:
        page.fill("#try-text", "pinned text")
        page.get_by_role("button", name="Try it").click()
        page.get_by_role("button", name="Pin it to this feature").click()
        page.wait_for_url(f"**{FEATURE}#examples")
        expect(page.locator(".example")).to_contain_text("pinned by owner")
        page.get_by_role("button", name="Take down").click()
        expect(page.locator(".example")).to_have_count(0)


@pytest.mark.usefixtures("open_world")
def test_without_script_a_context_is_run_again_on_a_page_of_its_own(browser: Browser, live_server: str):
    with page_at(browser, live_server, FEATURE, java_script_enabled=False) as page:
        page.locator("#contexts .line summary").first.click()
        page.locator("#contexts .line").first.get_by_text("whole context").click()
        page.get_by_role("link", name="Rerun live").click()
        expect(page.locator(".rerun__verdict h2")).to_have_text("Live gives what is stored")


def test_without_a_worker_the_text_stays_and_the_reason_is_seen(
    browser: Browser, live_server: str, live_world: LiveWorld
):
    with page_at(browser, live_server, FEATURE) as page:
        page.fill("#try-text", "kept")
        page.get_by_role("button", name="Try it").click()
        expect(page.locator("#error")).to_contain_text("No worker is up")
        expect(page.locator("#error")).to_be_in_viewport()
        expect(page.locator("#try-text")).to_have_value("kept")
        expect(page.get_by_role("button", name="Try it")).to_be_enabled()
        with open_door(live_world):
            page.get_by_role("button", name="Try it").click()
            expect(page.locator("#try .trial__text mark").first).to_be_visible()
            expect(page.locator("#error")).to_be_empty()


@pytest.mark.usefixtures("open_world")
def test_nothing_live_scrolls_sideways_on_a_phone(browser: Browser, live_server: str):
    phone = {"width": 390, "height": 800}
    with page_at(browser, live_server, f"{FEATURE}/try?text={'long-word-without-end' * 20}", viewport=phone) as page:
        expect(page.locator(".trial__text mark").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.goto(FEATURE)
        page.goto(str(page.locator("#contexts .line__source a, #contexts .line details a").first.get_attribute("href")))
        page.get_by_role("link", name="Rerun live").click()
        expect(page.locator(".rerun__verdict")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
