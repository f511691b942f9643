"""Pages in a real browser: keys, tooltips, sorting, themes, small screens, accessibility, no script."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from app.cli import export
from tests.app.synthetic import DEAD, SyntheticHarvest

pytestmark = pytest.mark.browser
COMPARISON = "/compare?a=tiny-mid/0&b=tiny-mid/5"
PAGES = ("/", "/d/tiny-mid", "/d/tiny-mid/0", "/d/tiny-mid/7", COMPARISON, "/jobs", "/api", "/d/not-yet")


def test_keys_step_through_live_features(page: Page):
    page.goto(f"/d/tiny-mid/{DEAD[0] - 1}")
    page.keyboard.press("j")
    page.wait_for_url(f"**/d/tiny-mid/{DEAD[0] + 1}")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(f"**/d/tiny-mid/{DEAD[0] - 1}")
    page.keyboard.press("k")
    page.wait_for_url(f"**/d/tiny-mid/{DEAD[0] - 2}")
    page.keyboard.press("ArrowRight")
    page.wait_for_url(f"**/d/tiny-mid/{DEAD[0] - 1}")
    with page.expect_navigation():
        page.keyboard.press("r")
    expect(page.locator("h1")).to_have_text(f"Feature {page.url.rsplit('/', 1)[1]}")


def test_a_question_mark_opens_the_list_of_keys_and_escape_closes_it(page: Page):
    page.goto("/d/tiny-mid/0")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()


def test_a_slash_goes_to_the_filter_and_keys_are_letters_there(page: Page):
    page.goto("/d/tiny-mid")
    page.keyboard.press("/")
    page.keyboard.type("jar")
    expect(page.locator("input[name=token]")).to_be_focused()
    expect(page.locator("input[name=token]")).to_have_value("jar")
    assert page.url.endswith("/d/tiny-mid")


def test_sorting_swaps_the_list_and_keeps_the_address(page: Page):
    page.goto("/d/tiny-mid")
    page.locator(".features thead a", has_text="Peak").click()
    expect(page.locator(".features th[aria-sort=descending]")).to_have_text("Peak")
    assert "sort=peak" in page.url
    page.go_back()
    expect(page.locator(".features th[aria-sort=descending]")).to_have_text("Density")


def test_filtering_swaps_the_list(page: Page):
    page.goto("/d/tiny-mid")
    page.fill("input[name=token]", "river")
    page.keyboard.press("Enter")
    expect(page.locator(".features tbody tr")).to_have_count(3)
    assert "token=river" in page.url


def test_a_firing_token_tells_its_value_on_hover_and_on_focus(page: Page):
    page.goto("/d/tiny-mid/0")
    token = page.locator("#contexts mark").first
    token.hover()
    tip = page.locator(".tip")
    expect(tip).to_be_visible()
    expect(tip).to_contain_text("position")
    page.mouse.move(0, 0)
    expect(tip).to_be_hidden()
    token.focus()
    expect(tip).to_contain_text("id ")
    box = tip.bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= 1280


def test_a_click_opens_the_whole_context_in_its_place(page: Page, harvested: SyntheticHarvest):
    page.goto("/d/tiny-mid/0")
    line = page.locator("#contexts .line").first
    line.locator("> p > bdi").click()
    expect(line.locator(".whole")).to_be_visible()
    best = int(harvested.features[0].top.context_ids[0])
    fired = int((harvested.activations[best, :, 0] > 0).sum())
    expect(line.locator(".whole mark")).to_have_count(fired)


def test_the_axes_of_the_histogram_switch_in_place(page: Page):
    page.goto("/d/tiny-mid/0")
    before = page.locator("#histogram .chart__bars").get_attribute("d")
    page.locator(".switch", has_text="activation").get_by_text("log").click()
    expect(page.locator("#histogram .chart__bars")).not_to_have_attribute("d", before or "")
    assert "x=log" in page.url


def test_the_theme_is_switched_and_remembered(page: Page):
    page.goto("/d/tiny-mid/0")
    light = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.locator("[data-theme-toggle]").click()
    dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert light != dark
    page.goto("/jobs")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == dark


@pytest.mark.parametrize("path", PAGES)
def test_no_page_scrolls_sideways_on_a_phone(page: Page, path: str):
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.body.scrollWidth") <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_no_page_has_a_serious_barrier(page: Page, path: str, scheme: str):
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(path)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    found = Axe().run(page).response["violations"]
    serious = [
        (each["id"], node["target"], node["failureSummary"])
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"][:2]
    ]
    assert serious == []


def test_the_skip_link_is_first_and_leads_to_the_content(page: Page):
    page.goto("/d/tiny-mid/0")
    page.keyboard.press("Tab")
    expect(page.locator(".skip-link")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_jobs_renew_themselves(page: Page):
    page.goto("/jobs")
    with page.expect_response("**/jobs/list") as answer:
        pass
    assert answer.value.status == 200
    expect(page.locator("#job-a")).to_be_visible()


def test_everything_is_there_without_script(browser: Browser, server: str):
    with browser.new_context(base_url=server, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto("/d/tiny-mid/0")
        line = page.locator("#contexts .line").first
        line.locator("summary").click()
        expect(line.get_by_text("whole context")).to_be_visible()
        line.get_by_text("whole context").click()
        expect(page.locator(".whole")).to_be_visible()
        page.goto("/d/tiny-mid")
        page.locator(".features thead a", has_text="Mean").click()
        expect(page.locator(".features th[aria-sort=descending]")).to_have_text("Mean")
        page.fill("input[name=token]", "river")
        page.get_by_role("button", name="Filter").click()
        expect(page.locator(".features tbody tr")).to_have_count(3)
        page.get_by_role("button", name="Keyboard shortcuts").click()
        expect(page.locator("#help")).to_be_visible()


def test_a_missing_page_is_said_in_words(browser: Browser, server: str):
    with browser.new_context(base_url=server) as context:
        other = context.new_page()
        other.goto("/d/tiny-mid/999")
        expect(other.locator("#error")).to_contain_text("has features 0 to 39")


def test_an_exported_site_opens_from_disk(
    browser: Browser, catalog_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FEATURESCOPE_DATABASE_URL", catalog_url)
    assert export.main(["tiny-mid", "--to", str(tmp_path / "site"), "--json"]) == 0
    with browser.new_context() as context:
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto((tmp_path / "site" / "index.html").as_uri())
        page.locator(".features tbody a").first.click()
        expect(page.locator("h1")).to_have_text("Feature 5")
        page.wait_for_load_state()
        page.keyboard.press("k")
        expect(page.locator("h1")).to_have_text("Feature 4")
        page.locator("#contexts mark").first.hover()
        expect(page.locator(".tip")).to_be_visible()
        assert errors == []
