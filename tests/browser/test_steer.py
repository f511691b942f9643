"""Steering in a real browser, over a real server and a worker's door: token by token with script, whole without."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import serving
from tests.live.conftest import SAE, LiveWorld, harvested_world, open_door
from tests.tiny import ALWAYS, make_tiny_world

pytestmark = pytest.mark.browser
TEXT = "alpha beta"


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


def write(page: Page) -> list[str]:
    """From the page of a feature to the two texts."""
    page.goto(f"/d/{SAE}/{ALWAYS}")
    page.get_by_role("link", name="steer").click()
    expect(page.locator("input[name=feature]").first).to_have_value(f"{SAE}/{ALWAYS}")
    page.fill("textarea[name=text]", TEXT)
    page.locator("input[name=value]").first.fill("4")
    page.get_by_text("Sampling").click()
    page.fill("input[name=temperature]", "0")
    page.fill("input[name=new_tokens]", "9")
    page.get_by_role("button", name="Write").click()
    expect(page.locator("#written .next")).to_be_visible()
    return page.locator(".written__text").all_text_contents()


def test_a_feature_is_steered_from_its_page_and_the_address_shows_the_same(page: Page):
    texts = write(page)
    assert all(text.startswith(TEXT) for text in texts)
    assert texts[0] != texts[1]
    assert "temperature=0" in page.url
    page.reload()
    assert page.locator(".written__text").all_text_contents() == texts


def test_the_same_without_script(browser: Browser, server: str, page: Page):
    with browser.new_context(base_url=server, java_script_enabled=False) as context:
        plain = context.new_page()
        texts = write(plain)
        assert plain.url.endswith("/live/steer")
        plain.get_by_role("link", name="Take features away").click()
        plain.get_by_role("button", name="Take away").click()
        expect(plain.locator(".effects tbody tr").first).to_be_visible()
        plain.locator(".apart button").nth(4).click()
        expect(plain.locator(".apart button[aria-pressed=true]")).to_have_attribute("value", "4")
    assert write(page) == texts


def test_a_row_more_comes_when_the_last_is_filled(page: Page):
    page.goto("/live/steer")
    rows = page.locator("input[name=feature]")
    expect(rows).to_have_count(3)
    rows.nth(1).fill("tiny-sae/2")
    expect(rows).to_have_count(3)
    rows.nth(2).fill("tiny-sae/3")
    expect(rows).to_have_count(4)
    expect(rows.nth(3)).to_have_value("")


def test_what_goes_wrong_is_told_beside_the_form_and_nothing_typed_is_lost(page: Page):
    page.goto("/live/steer")
    page.fill("textarea[name=text]", TEXT)
    page.locator("input[name=feature]").first.fill("nowhere/3")
    page.get_by_role("button", name="Write").click()
    expect(page.locator("#answer [role=alert]")).to_contain_text("nowhere")
    expect(page.locator("textarea[name=text]")).to_have_value(TEXT)


@pytest.mark.parametrize("path", ["/live/steer", "/live/steer/effects", "/live/steer/logits"])
def test_the_pages_are_accessible_and_fit_a_phone(page: Page, path: str):
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{path}?text=alpha+beta&d={SAE}&feature={SAE}/{ALWAYS}")
    expect(page.locator("#answer section").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
