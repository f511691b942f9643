"""Live text in a real browser, over a real server and a worker's door: with script and without."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import serving
from tests.live.conftest import EARLY, SAE, LiveWorld, harvested_world, open_door
from tests.tiny import make_tiny_world
from tests.worker.jobs.worker_process import wait_until

pytestmark = pytest.mark.browser
TEXT = "alpha beta gamma"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveWorld]:
    home = tmp_path_factory.mktemp("home")
    files = make_tiny_world(tmp_path_factory.mktemp("tiny"))
    with harvested_world(home, f"sqlite:///{home / 'catalog.sqlite'}", files) as made, open_door(made):
        yield made


@pytest.fixture(scope="module")
def server(world: LiveWorld) -> Iterator[str]:
    """A server of its own over the world whose worker's door is open."""
    catalog = world.context.settings.catalog
    with serving(FEATURESCOPE_HOME=str(catalog.home), FEATURESCOPE_DATABASE_URL=catalog.database_url) as address:
        yield address


def read(page: Page, text: str) -> None:
    page.goto("/live")
    page.fill("textarea[name=text]", text)
    page.get_by_role("button", name="Read the text").click()
    expect(page.locator(".gloss__token")).to_have_count(len(text) + 1)


def looks_at_a_token_and_a_feature(page: Page) -> None:
    """Paste, sort by a token, colour by a feature, open its page."""
    read(page, TEXT)
    everything = page.locator(".ranked tbody tr").count()
    page.locator(".gloss__token").nth(3).click()
    expect(page.locator(".live__chosen").first).to_contain_text("token 3")
    expect(page.locator(".gloss__token").nth(3)).to_have_attribute("aria-pressed", "true")
    assert page.locator(".ranked tbody tr").count() < everything
    assert "at=0%3A3" in page.url
    page.locator("#sort-sum").click()
    expect(page.locator("th[aria-sort]")).to_have_text("Sum")
    page.locator(".gloss__feature").nth(4).click()
    expect(page.locator(".gloss__token mark").first).to_be_visible()
    with page.expect_navigation():
        page.locator(".ranked tbody th a").first.click()
    expect(page.locator("h1")).to_contain_text("Feature")


def test_text_is_pasted_sorted_by_a_token_and_leads_to_a_feature(page: Page):
    looks_at_a_token_and_a_feature(page)


def test_the_same_without_script(browser: Browser, server: str):
    with browser.new_context(base_url=server, java_script_enabled=False) as context:
        page = context.new_page()
        looks_at_a_token_and_a_feature(page)
        read(page, TEXT)
        page.get_by_text("choose tokens by number").click()
        page.fill("input[name=first]", "2")
        page.fill("input[name=last]", "5")
        page.get_by_role("button", name="Choose", exact=True).click()
        expect(page.locator(".gloss__cell--chosen")).to_have_count(4)
        page.locator("input[name=dense]").press("ArrowLeft")
        page.get_by_role("button", name="Apply").click()
        expect(page.locator("output")).to_contain_text("at most 20 % of tokens")


def test_script_swaps_the_result_alone_and_keeps_the_address(page: Page):
    read(page, TEXT)
    page.evaluate("window.stayed = true")
    page.locator(".gloss__token").nth(2).click()
    expect(page.locator(".live__chosen").first).to_contain_text("token 2")
    assert page.evaluate("window.stayed")
    page.locator(".gloss__token").nth(6).click(modifiers=["Shift"])
    expect(page.locator(".gloss__cell--chosen")).to_have_count(5)
    assert page.evaluate("document.activeElement.id") in ("t0-2", "t0-6", "")
    page.locator(".gloss__token").nth(8).drag_to(page.locator(".gloss__token").nth(10))
    expect(page.locator(".gloss__cell--chosen")).to_have_count(3)
    address = page.url
    assert "at=0%3A8-10" in address
    page.go_back()
    expect(page.locator(".gloss__cell--chosen")).to_have_count(5)
    page.goto(address)
    expect(page.locator(".gloss__cell--chosen")).to_have_count(3)
    expect(page.locator("textarea[name=text]")).to_have_value(TEXT)


def test_the_slider_acts_at_once(page: Page):
    read(page, TEXT)
    expect(page.get_by_role("button", name="Apply")).to_be_hidden()
    rows = page.locator(".ranked tbody tr").count()
    page.locator("input[name=dense]").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#ranked")).to_contain_text("left out")
    assert page.locator(".ranked tbody tr").count() < rows
    expect(page.locator("output")).to_contain_text("at most 20 %")


def test_keys_read_the_text(page: Page):
    page.goto("/live")
    page.keyboard.press("/")
    page.keyboard.type("jkr?")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".gloss__token")).to_have_count(5)


def test_without_a_worker_the_text_stays_and_can_be_sent_again(browser: Browser, world: LiveWorld, server: str):
    text = "a text of its own"

    def heard() -> bool:
        with world.context.ledger.reading() as reader:
            return bool(reader.workers())

    with browser.new_context(base_url=server) as context:
        page = context.new_page()
        page.goto("/live")
        page.fill("textarea[name=text]", text)
        world.silent.set()
        wait_until(lambda: not heard(), "no worker is heard of")
        page.get_by_role("button", name="Read the text").click()
        expect(page.locator("#error")).to_contain_text("No worker is up")
        expect(page.locator("textarea[name=text]")).to_have_value(text)
        world.silent.clear()
        wait_until(heard, "the worker is heard of again")
        page.get_by_role("button", name="Try again").click()
        expect(page.locator(".gloss__token")).to_have_count(len(text) + 1)
        expect(page.locator("#error")).to_be_empty()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_barrier_and_nothing_sideways_on_a_phone(page: Page, scheme: str):
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    address = f"/live?text=alpha+beta&other=gamma&d={SAE}&d={EARLY}&feature={SAE}/1&at=0:2-4"
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        found = Axe().run(page).response["violations"]
        serious = [
            (each["id"], node["target"], node["failureSummary"])
            for each in found
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"][:2]
        ]
        assert serious == []
