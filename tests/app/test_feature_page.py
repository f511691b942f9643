"""The feature page: every number is the one that counting gives, and nothing in the text can break out."""

import re

import pytest
from bs4 import BeautifulSoup, Tag
from fastapi.testclient import TestClient

from tests.app.reading import links_of, one, soup_of, text_of
from tests.app.synthetic import ALWAYS, D_SAE, DEAD, SyntheticHarvest

SECTIONS = ("contexts", "bands", "controls", "histogram", "logits", "tokens", "related", "position", "provenance")


@pytest.fixture
def page(client: TestClient) -> BeautifulSoup:
    return soup_of(client, "/d/tiny-mid/0")


def test_every_part_of_a_feature_is_on_its_page(page: BeautifulSoup):
    assert [section for section in SECTIONS if not page.select(f"#{section}")] == []


def test_counts_are_exact(page: BeautifulSoup, harvested: SyntheticHarvest):
    feature = harvested.features[0]
    facts = {text_of(one(fact, "dt")): text_of(one(fact, "dd")) for fact in page.select("main > .facts .fact")}
    assert facts["Density"].endswith(f"{feature.tokens_fired} of {harvested.harvest.tokens:,} tokens")
    assert facts["Contexts"] == f"{feature.contexts_fired} of {harvested.harvest.n_contexts}"
    assert facts["Documents"] == f"{feature.documents_fired} of {harvested.harvest.n_documents}"


def test_a_mark_stands_only_where_the_feature_fires(page: BeautifulSoup, harvested: SyntheticHarvest):
    token = harvested.tokenizer.id_of(" the")
    marks = page.select("#contexts mark")
    assert {mark.get_text() for mark in marks} == {" the"}
    assert all(f"id {token} ·" in str(mark["title"]) for mark in marks)


def test_a_mark_gives_value_token_id_and_position_to_mouse_and_keyboard(page: BeautifulSoup):
    for mark in page.select("#contexts mark, #bands mark"):
        assert re.fullmatch(r"[\d.]+ · id \d+ · position \d+", str(mark["title"]))
        assert mark["tabindex"] == "0"
        assert 1 <= int(str(mark["data-level"])) <= 10


def test_the_strongest_context_of_all_is_level_ten(page: BeautifulSoup):
    first = page.select("#contexts .line")[0]
    assert one(first, "p > bdi > mark:first-child")["data-level"] == "10"


def test_top_contexts_are_all_there_folded_or_not(page: BeautifulSoup, harvested: SyntheticHarvest):
    shown = [int(str(link["href"]).rsplit("/", 1)[1]) for link in page.select("#contexts .line a")]
    assert sorted(shown) == sorted(harvested.features[0].top.context_ids.tolist())


def test_bands_say_their_interval_and_shares(page: BeautifulSoup):
    heads = [text_of(head) for head in page.select(".band__head")]
    assert len(heads) == 5
    assert all(re.search(r"peaks [\d.]+ to [\d.]+ · \d+ % of firings, [\d.]+ % of activation", head) for head in heads)


def test_near_misses_say_why_they_are_near(client: TestClient):
    reasons = text_of(one(soup_of(client, "/d/tiny-mid/16"), "#controls"))
    assert "a related feature fires here: feature 5" in reasons


def test_reserve_contexts_are_on_no_page(client: TestClient, harvested: SyntheticHarvest):
    feature = harvested.features[0]
    kept = set(feature.reserve.contexts.context_ids.tolist()) - set(feature.top.context_ids.tolist())
    assert kept
    for context in kept:
        assert client.get(f"/d/tiny-mid/0/contexts/{context}").status_code == 404


def test_related_features_are_links(page: BeautifulSoup, harvested: SyntheticHarvest):
    links = links_of(one(page, "#related"))
    for index in harvested.features[0].neighbour_indices.tolist():
        assert f"/d/tiny-mid/{index}" in links
    assert "/compare?a=tiny-mid%2F0&b=tiny-mid%2F1" in links


def test_statistics_of_a_feature_of_one_word_are_perfect(page: BeautifulSoup, harvested: SyntheticHarvest):
    row = text_of(page.select("#tokens tbody tr")[0])
    lift = harvested.harvest.tokens / harvested.features[0].tokens_fired
    assert row == f"· the 100 % 100 % ×{lift:.1f}"


def test_the_position_profile_is_a_rate_where_the_harvest_counts_positions(client: TestClient):
    section = one(soup_of(client, f"/d/tiny-mid/{ALWAYS}"), "#position")
    assert "Share of tokens on which it fires" in text_of(section)
    assert section.select("text")[0].get_text() == "100 %"


def test_a_plain_sentence_stands_under_every_chart(page: BeautifulSoup):
    for figure in page.select("figure"):
        assert len(text_of(one(figure, "figcaption")).split()) > 8


def test_both_axes_of_the_histogram_are_switched_by_links(client: TestClient):
    page = soup_of(client, "/d/tiny-mid/0?x=log&y=linear")
    assert [text_of(link) for link in page.select(".switches [aria-current]")] == ["log", "linear"]
    assert "/d/tiny-mid/0?x=linear&y=linear#histogram" in links_of(one(page, ".switches"))
    assert (
        one(page, "#histogram .chart__bars")["d"]
        != one(soup_of(client, "/d/tiny-mid/0"), "#histogram .chart__bars")["d"]
    )


def test_previous_and_next_skip_dead_features(client: TestClient):
    dead = DEAD[0]
    page = soup_of(client, f"/d/tiny-mid/{dead - 1}")
    assert one(page, "a[rel=next]")["href"] == f"/d/tiny-mid/{dead + 1}"
    assert one(soup_of(client, f"/d/tiny-mid/{dead + 1}"), "a[rel=prev]")["href"] == f"/d/tiny-mid/{dead - 1}"


def test_the_first_feature_has_no_previous_one(page: BeautifulSoup):
    assert not page.select("a[rel=prev]")


def test_random_goes_to_a_live_feature(client: TestClient):
    for _ in range(10):
        answer = client.get("/d/tiny-mid/random", follow_redirects=False)
        assert answer.status_code == 303
        assert answer.headers["cache-control"] == "no-store"
        assert int(answer.headers["location"].rsplit("/", 1)[1]) in set(range(D_SAE)) - set(DEAD)


def test_a_dead_feature_is_shown_as_none_of_n_with_its_bound(client: TestClient, harvested: SyntheticHarvest):
    page = soup_of(client, f"/d/tiny-mid/{DEAD[0]}")
    tokens = harvested.harvest.tokens
    facts = text_of(one(page, "main > .facts"))
    assert f"0 of {tokens:,} tokens" in facts
    assert f"rate below 3/N, {300 / tokens:.3f} %" in facts
    assert "fired on no token" in text_of(one(page, "#contexts"))
    assert not page.select("mark")


def test_a_feature_that_always_fires_is_shown(client: TestClient, harvested: SyntheticHarvest):
    page = soup_of(client, f"/d/tiny-mid/{ALWAYS}")
    assert "100 %" in text_of(one(page, "main > .facts"))
    assert "No silent context" in text_of(one(page, "#controls"))


def test_hostile_text_is_escaped_and_kept_in_its_line(client: TestClient):
    response = client.get("/d/tiny-mid/13")
    assert '<script>alert("1")' not in response.text
    page = BeautifulSoup(response.text, "html.parser")
    assert '<script>alert("1")</script>' in one(page, "#contexts").get_text()
    assert all(isinstance(script, Tag) and script.get("src") for script in page.select("script"))
    assert not [line for line in page.select(".line") if line.select_one("bdi bdi")]


def test_direction_controls_never_reach_the_page(client: TestClient):
    for index in range(0, D_SAE, 5):
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f]", client.get(f"/d/tiny-mid/{index}").text)


def test_every_line_isolates_its_direction(page: BeautifulSoup):
    for line in page.select(".line > p"):
        assert len(line.select("bdi")) == 2


def test_a_page_of_a_sparse_feature_is_small(client: TestClient):
    assert len(client.get("/d/tiny-mid/0").content) <= 60_000


def test_an_embedded_page_shows_what_was_asked_for_and_nothing_around_it(client: TestClient):
    page = soup_of(client, "/d/tiny-mid/0?embed&show=histogram,top")
    assert page.select("#histogram") and page.select("#contexts")
    assert not page.select("#related, .masthead, .steps, #embed")


def test_the_page_offers_the_frame_for_other_documents(page: BeautifulSoup):
    assert '<iframe src="http://127.0.0.1/d/tiny-mid/0?embed&show=top,histogram"' in one(page, "#embed-code").get_text()


def test_a_whole_context_is_a_page_and_a_part(client: TestClient, harvested: SyntheticHarvest):
    context = harvested.features[0].top.context_ids[0]
    page = soup_of(client, f"/d/tiny-mid/0/contexts/{context}")
    part = soup_of(client, f"/d/tiny-mid/0/contexts/{context}/text")
    assert one(page, ".whole").get_text() == one(part, ".whole").get_text()
    assert not part.select("html, main")
    fired = int((harvested.activations[context, :, 0] > 0).sum())
    assert len(page.select(".firing tbody tr")) == len(page.select(".whole mark")) == fired


def test_a_control_is_a_page_that_says_it_is_silent(client: TestClient, harvested: SyntheticHarvest):
    context = harvested.features[0].controls.context_ids[0]
    assert "the feature is silent" in text_of(soup_of(client, f"/d/tiny-mid/0/contexts/{context}"))


def test_a_harvest_can_be_pinned(client: TestClient):
    assert client.get("/d/tiny-mid/0?harvest=harvest-of-tiny-mid").status_code == 200
    assert client.get("/d/tiny-mid/0?harvest=nope").status_code == 404
