"""Labelling in a real browser: by keyboard alone, without script, live beside somebody else, accessible."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from catalog.engine import make_engine
from tests.app.stored import store
from tests.app.synthetic import SyntheticHarvest
from tests.browser.conftest import serving

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def labelling_server(harvested: SyntheticHarvest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server over a catalog that the tests of this file write to, each to a feature of its own."""
    url = f"sqlite:///{tmp_path_factory.mktemp('labels') / 'catalog.sqlite'}"
    engine = make_engine(url)
    store(engine, harvested)
    engine.dispose()
    with serving(FEATURESCOPE_DATABASE_URL=url) as address:
        yield address


def open_page(browser: Browser, server: str, path: str, **options: object) -> Page:
    page = browser.new_context(base_url=server, **options).new_page()
    page.goto(path)
    return page


def test_a_label_is_proposed_and_voted_on_by_keyboard_alone(browser: Browser, labelling_server: str):
    page = open_page(browser, labelling_server, "/d/tiny-mid/1")
    page.keyboard.press("l")
    expect(page.locator("#label-text")).to_be_focused()
    page.keyboard.type("river banks")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("river banks 1")
    page.locator(".votes__button").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".votes__net")).to_contain_text("+1")
    page.context.close()


def test_everything_goes_without_script(browser: Browser, labelling_server: str):
    page = open_page(browser, labelling_server, "/d/tiny-mid/2", java_script_enabled=False)
    page.fill("#label-text", "banks")
    page.click("text=Propose label")
    page.click("article.label >> text=edit")
    page.fill("[name=text]", "river banks")
    page.click("text=Save this wording")
    page.click("text=Go back to version 1")
    expect(page.locator("h1")).to_have_text("banks")
    expect(page.locator(".history__entry")).to_have_count(3)
    page.context.close()


def test_what_another_does_appears_and_what_is_typed_stays(browser: Browser, labelling_server: str):
    mine, theirs = (open_page(browser, labelling_server, "/d/tiny-mid/3") for _ in range(2))
    mine.fill("#label-text", "half a thought")
    theirs.fill("#label-text", "numbers")
    theirs.keyboard.press("Enter")
    expect(mine.locator("article.label .label__text")).to_have_text("numbers")
    expect(mine.locator("h1")).to_contain_text("numbers")
    expect(mine.locator("#label-text")).to_have_value("half a thought")
    for page in (mine, theirs):
        page.context.close()


def test_a_hidden_page_lets_go_and_catches_up_when_it_is_back(browser: Browser, labelling_server: str):
    mine, theirs = (open_page(browser, labelling_server, "/d/tiny-mid/4") for _ in range(2))
    turn = (
        "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true }); "
        "document.dispatchEvent(new Event('visibilitychange')); }"
    )
    mine.evaluate(turn, True)
    theirs.fill("#label-text", "first")
    theirs.keyboard.press("Enter")
    expect(theirs.locator("article.label")).to_have_count(1)
    assert mine.locator("article.label").count() == 0
    mine.evaluate(turn, False)
    expect(mine.locator("article.label .label__text")).to_have_text("first")
    for page in (mine, theirs):
        page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_of_labels_are_accessible_and_fit_a_phone(browser: Browser, labelling_server: str, scheme: str):
    page = open_page(
        browser, labelling_server, "/d/tiny-mid/6", color_scheme=scheme, viewport={"width": 360, "height": 800}
    )
    page.fill("#label-text", f"a label in the {scheme} with averylongwordthatgoesonandonandonandonandonandonandonandon")
    page.keyboard.press("Enter")
    expect(page.locator("article.label").first).to_be_visible()
    label = str(page.locator("article.label a", has_text="history").first.get_attribute("href"))
    paths = ("/d/tiny-mid/6", label, f"{label}/edit", "/labels", "/labels?view=mine", "/labels?view=unlabelled")
    for path in paths:
        page.goto(path)
        results = Axe().run(page)
        assert results.violations_count == 0, f"{path}: {results.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    page.context.close()
