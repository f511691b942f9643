"""The front page, jobs, the comparison, and what an empty catalog looks like."""

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from tests.app.conftest import BASE, settings_for
from tests.app.reading import links_of, one, soup_of, text_of

GUIDE = {
    "neuron": {
        "dictionary": "tiny-mid",
        "index": 18,
        "note": "Two words at once.",
        "senses": [
            {"text": "the word bank", "feature": {"dictionary": "tiny-mid", "index": 6}},
            {"text": "the word bread", "feature": {"dictionary": "tiny-mid", "index": 9}},
        ],
    },
    "good": [{"dictionary": "tiny-mid", "index": index, "note": f"note {index}"} for index in (12, 14, 10)],
    "bad": {"dictionary": "tiny-mid", "index": 5, "note": "Everything."},
}


@pytest.fixture
def guided(stored_url: str, tmp_path: Path) -> TestClient:
    (tmp_path / "demo.json").write_text(json.dumps(GUIDE), encoding="utf-8")
    return TestClient(create_app(settings_for(stored_url, tmp_path)), base_url=BASE)


def test_the_front_page_lists_models_with_their_dictionaries(client: TestClient):
    page = soup_of(client, "/")
    rows = [text_of(row) for row in page.select(".dictionaries tbody tr")]
    assert any("Tiny Mid" in row and "tokens of made-up-sentences" in row for row in rows)
    assert any("Not Yet" in row and "not harvested yet" in row for row in rows)
    assert "/d/tiny-mid" in links_of(page)


def test_the_front_page_shows_a_running_job_and_asks_again(client: TestClient):
    part = one(soup_of(client, "/"), "#running")
    assert part["hx-get"] == "/jobs/running"
    assert "250,000 of 1,000,000 tokens · 12,500 tokens a second, 1 min left" in text_of(part)


def test_commands_to_add_your_own_can_be_copied(client: TestClient):
    page = soup_of(client, "/")
    for button in page.select("[data-copy]"):
        assert one(page, f"#{button['data-copy']}").get_text().startswith("featurescope ")
        assert button.has_attr("hidden")


def test_the_guided_start_shows_a_neuron_its_senses_and_good_and_bad_features(guided: TestClient):
    page = soup_of(guided, "/")
    links = links_of(one(page, "#guide"))
    assert links == [f"/d/tiny-mid/{index}" for index in (18, 6, 9, 12, 14, 10, 5)]
    assert "the word bank" in text_of(one(page, "#guide"))
    assert all(card.select("mark") for card in page.select("#guide .card"))


def test_the_neurons_lines_show_each_of_its_senses_before_any_twice(guided: TestClient):
    neuron = soup_of(guided, "/").select("#guide .card")[0]
    peaks = [line.select("bdi")[1].get_text().split("\u00a0")[0] for line in neuron.select(".line")]
    assert [peak.strip().split()[0].strip(",.") for peak in peaks][:2] == ["bank", "bread"]
    assert len(peaks) == 3


def test_a_guided_start_for_another_catalog_is_left_out(stored_url: str, tmp_path: Path):
    guide = {**GUIDE, "bad": {"dictionary": "elsewhere", "index": 1}}
    (tmp_path / "demo.json").write_text(json.dumps(guide), encoding="utf-8")
    client = TestClient(create_app(settings_for(stored_url, tmp_path)), base_url=BASE)
    assert not soup_of(client, "/").select("#guide")


def test_a_malformed_guide_is_named(stored_url: str, tmp_path: Path):
    (tmp_path / "demo.json").write_text("{", encoding="utf-8")
    client = TestClient(create_app(settings_for(stored_url, tmp_path)), base_url=BASE)
    assert "demo.json is malformed" in text_of(soup_of(client, "/", status=500))


def test_an_empty_catalog_says_how_to_begin(empty_client: TestClient):
    assert "featurescope demo" in text_of(soup_of(empty_client, "/"))
    assert "No job has run yet" in text_of(soup_of(empty_client, "/jobs"))
    assert "No worker" in text_of(soup_of(empty_client, "/jobs"))


def test_jobs_show_progress_rate_and_errors(client: TestClient):
    page = soup_of(client, "/jobs")
    assert one(page, "#job-a progress")["value"] == "25.0"
    assert "The disk is full." in text_of(one(page, "#job-b"))
    assert "bench, process 4711" in text_of(one(page, "#jobs .workers"))


def test_the_list_of_jobs_asks_again_only_while_something_runs(client: TestClient, empty_client: TestClient):
    assert one(soup_of(client, "/jobs/list"), "#jobs")["hx-get"] == "/jobs/list"
    assert not one(soup_of(empty_client, "/jobs/list"), "#jobs").has_attr("hx-get")
    assert not one(soup_of(empty_client, "/jobs/running"), "#running").has_attr("hx-get")


def test_two_features_stand_side_by_side(client: TestClient):
    page = soup_of(client, "/compare?a=tiny-mid/0&b=tiny-mid/1")
    assert [text_of(title) for title in page.select(".versus h2")] == ["Feature 0", "Feature 1"]
    assert "Cosine of their decoder directions: 0.710" in text_of(page)
    ids = [str(element["id"]) for element in page.select("[id]")]
    assert len(ids) == len(set(ids))


def test_a_comparison_takes_an_address_as_it_stands_in_the_browser(client: TestClient):
    assert client.get("/compare?a=/d/tiny-mid/0&b=tiny-mid/0").status_code == 200


def test_a_comparison_without_features_asks_for_them(client: TestClient):
    assert "Name two features" in text_of(soup_of(client, "/compare"))
    assert "'x' names no feature" in text_of(soup_of(client, "/compare?a=x&b=tiny-mid/1", status=400))


def test_the_json_is_described_for_people(client: TestClient):
    assert "/api/v1/openapi.json" in links_of(soup_of(client, "/api"))


def test_navigation_names_only_what_is_there(client: TestClient):
    page = soup_of(client, "/")
    for link in links_of(one(page, ".masthead")):
        assert client.get(link).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/d/tiny-mid", "/d/tiny-mid/0", "/d/tiny-mid/7", "/jobs", "/compare", "/api", "/d/not-yet"]
)
def test_every_link_of_a_page_leads_somewhere(client: TestClient, path: str):
    for link in {link for link in links_of(soup_of(client, path)) if link.startswith("/")}:
        assert client.get(link.partition("#")[0]).status_code == 200, link


@pytest.mark.parametrize(
    "path", ["/", "/d/tiny-mid", "/d/tiny-mid/0", "/jobs", "/compare?a=tiny-mid/0&b=tiny-mid/5", "/api"]
)
def test_every_page_has_one_heading_a_title_and_no_id_twice(client: TestClient, path: str):
    page = soup_of(client, path)
    assert len(page.select("h1")) == 1
    assert text_of(one(page, "title")).endswith("· Featurescope")
    ids = [str(element["id"]) for element in page.select("[id]")]
    assert len(ids) == len(set(ids))


def test_live_text_without_any_dictionary_says_what_is_missing(empty_client: TestClient):
    assert "There is no dictionary yet" in text_of(soup_of(empty_client, "/live"))


def test_live_text_that_no_worker_takes_says_so_and_keeps_the_text(client: TestClient):
    page = soup_of(client, "/live?text=The+river&d=tiny-mid", status=503)
    assert "take no live requests" in text_of(one(page, "#error"))
    assert one(page, "textarea[name=text]").get_text().strip() == "The river"
