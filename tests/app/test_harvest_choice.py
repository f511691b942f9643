"""Two harvests of one dictionary on different corpora, and one of some features: the choice, and both side by side."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from fastapi.testclient import TestClient

from app.main import create_app
from catalog.engine import make_engine, session_scope
from catalog.records import CorpusRecord
from catalog.writer import CatalogWriter
from tests.app.conftest import BASE, settings_for
from tests.app.reading import links_of, one, soup_of, text_of
from tests.app.stored import batch_of, store
from tests.app.synthetic import SyntheticHarvest, synthetic_harvest

OTHER, SOME = "harvest-of-letters", "harvest-of-some"
SUBSET = (2, 3, 5)


@pytest.fixture(scope="module")
def longer() -> SyntheticHarvest:
    """The same dictionary over more of another text."""
    return synthetic_harvest(n_documents=140, seed=3)


@pytest.fixture
def two_harvests(
    database_url: str, tmp_path: Path, harvested: SyntheticHarvest, longer: SyntheticHarvest
) -> Iterator[TestClient]:
    """A catalog with a harvest over each of two corpora, and the newest of all of three features only."""
    engine = make_engine(database_url)
    store(engine, harvested)
    add(engine, longer, OTHER, corpus="Letters", features=None)
    add(engine, longer, SOME, corpus="Letters", features="2-3,5")
    engine.dispose()
    with TestClient(create_app(settings_for(database_url, tmp_path)), base_url=BASE) as client:
        yield client


def add(engine, harvested: SyntheticHarvest, key: str, *, corpus: str, features: str | None) -> None:
    slug, kept = harvested.dictionary.slug, [f for f in harvested.features if features is None or f.index in SUBSET]
    record = replace(harvested.harvest, id=key, status="running", features=features)
    with session_scope(engine, write=True) as session:
        writer = CatalogWriter(session)
        tokenizer = harvested.model.tokenizer_hash
        made = writer.add_corpus(CorpusRecord("", corpus, corpus[0] * 64, tokenizer, record.tokens, 140, {}))
        writer.add_harvest(replace(record, corpus=made))
    names = {context.document_id: context.document for context in harvested.contexts}
    with session_scope(engine, write=True) as session:
        CatalogWriter(session).add_contexts(key, [batch_of(harvested.contexts)], document_names=names)
    with session_scope(engine, write=True) as session:
        CatalogWriter(session).write_features(key, slug, kept)
    with session_scope(engine, write=True) as session:
        CatalogWriter(session).write_summary(key, slug, harvested.summary)
        CatalogWriter(session).finish_harvest(key)


def chosen_in(page: BeautifulSoup) -> str:
    """The harvest that a page says it shows."""
    return str(one(page, "nav.harvests [aria-current]")["title"])


def test_pages_show_the_newest_harvest_of_all_features_and_offer_the_others(two_harvests: TestClient):
    for address in ("/d/tiny-mid", "/d/tiny-mid/3"):
        page = soup_of(two_harvests, address)
        links = page.select("nav.harvests .switch a")
        assert len(links) == 3
        assert chosen_in(page) == f"harvest {OTHER}"
        for link in links:
            assert chosen_in(soup_of(two_harvests, str(link["href"]))) == link["title"]


def test_a_page_of_a_chosen_harvest_keeps_to_it_in_every_link(two_harvests: TestClient, harvested: SyntheticHarvest):
    chosen = harvested.harvest.id
    page = soup_of(two_harvests, f"/d/tiny-mid/3?harvest={chosen}")
    one(page, "nav.harvests").decompose()
    inner = [link for link in links_of(one(page, "main")) if "/d/tiny-mid" in link]
    assert len(inner) > 20
    assert [href for href in inner if f"harvest={chosen}" not in href] == []
    whole = next(href for href in inner if "/contexts/" in href)
    assert text_of(one(soup_of(two_harvests, whole), ".whole"))
    random = two_harvests.get(f"/d/tiny-mid/random?harvest={chosen}", follow_redirects=False)
    assert random.headers["location"].endswith(f"harvest={chosen}")
    listed = soup_of(two_harvests, f"/d/tiny-mid?harvest={chosen}&min_peak=0.1")
    assert one(listed, "input[name=harvest]")["value"] == chosen
    assert all(f"harvest={chosen}" in str(link["href"]) for link in listed.select("#feature-list tbody th a"))


def test_a_harvest_of_some_features_lists_them_alone_and_says_so(two_harvests: TestClient):
    page = soup_of(two_harvests, f"/d/tiny-mid?harvest={SOME}&sort=index")
    assert [int(text_of(cell)) for cell in page.select("#feature-list tbody th a")] == list(SUBSET)
    assert "some of the 40 features only: 2-3, 5" in text_of(one(page, "main"))
    feature = soup_of(two_harvests, f"/d/tiny-mid/3?harvest={SOME}")
    assert "some of the 40 features only" in text_of(one(feature, "main"))
    steps = feature.select("[rel=prev], [rel=next]")
    assert [step["href"] for step in steps] == [f"/d/tiny-mid/2?harvest={SOME}", f"/d/tiny-mid/5?harvest={SOME}"]


def test_a_feature_outside_the_subset_is_a_page_that_says_so(two_harvests: TestClient):
    page = soup_of(two_harvests, f"/d/tiny-mid/4?harvest={SOME}", status=404)
    assert "Not harvested yet" in text_of(one(page, "#error h1"))
    assert "is of features 2-3,5 only; feature 4 is not among them" in text_of(one(page, "#error"))
    assert f"/d/tiny-mid?harvest={SOME}" in links_of(one(page, "#error"))
    error = two_harvests.get(f"/api/v1/dictionaries/tiny-mid/features/4?harvest={SOME}").json()["error"]
    assert "feature 4 is not among them" in error["message"]


def test_one_feature_on_two_corpora_stands_side_by_side_with_the_difference(
    two_harvests: TestClient, harvested: SyntheticHarvest, longer: SyntheticHarvest
):
    versus = [str(link["href"]) for link in soup_of(two_harvests, "/d/tiny-mid/3").select(".harvests__versus")]
    page = soup_of(two_harvests, next(each for each in versus if harvested.harvest.id in each))
    assert "One feature in two harvests" in text_of(one(page, "main"))
    sides = page.select(".versus__side")
    seen = [text_of(side.select(".caption")[0]).split()[2] for side in sides]
    assert seen == [f"{longer.harvest.tokens:,}", f"{harvested.harvest.tokens:,}"]
    assert [option["value"] for option in page.select("select [selected]")] == [OTHER, harvested.harvest.id]
    cells = next(
        [text_of(each) for each in row.select("th, td")] for row in page.select("tbody tr") if "Firing" in row.text
    )
    mine, theirs = longer.features[3].tokens_fired, harvested.features[3].tokens_fired
    assert cells[1:3] == [f"{mine:,}", f"{theirs:,}"]
    assert all(f"harvest={OTHER}" in link for link in links_of(sides[0]) if "/d/" in link)


def test_the_json_of_a_comparison_has_the_figures_and_their_difference(
    two_harvests: TestClient, harvested: SyntheticHarvest, longer: SyntheticHarvest
):
    harvests = f"harvest_a={harvested.harvest.id}&harvest_b={OTHER}"
    answer = two_harvests.get(f"/api/v1/compare?a=tiny-mid/3&b=tiny-mid/3&{harvests}").json()
    found = {each["name"]: each for each in answer["differences"]}
    a, b = (each.features[3].tokens_fired / each.harvest.tokens for each in (harvested, longer))
    assert found["density"]["a"] == pytest.approx(a)
    assert found["density"]["difference"] == pytest.approx(b - a, rel=1e-4)
    assert found["density"]["times"] == pytest.approx(b / a, rel=1e-4)
    assert answer["b"]["provenance"]["harvest"]["id"] == OTHER


def test_harvests_are_listed_as_json_and_one_can_be_asked_for(two_harvests: TestClient, harvested: SyntheticHarvest):
    answer = two_harvests.get("/api/v1/dictionaries/tiny-mid/harvests").json()
    assert [each["id"] for each in answer["harvests"]] == [SOME, OTHER, harvested.harvest.id]
    assert answer["shown"] == OTHER
    assert answer["harvests"][0]["features"] == "2-3,5"
    one = two_harvests.get(f"/api/v1/dictionaries/tiny-mid?harvest={harvested.harvest.id}").json()
    assert one["harvest"]["id"] == harvested.harvest.id


def test_a_dictionary_with_one_harvest_offers_no_choice(client: TestClient):
    assert soup_of(client, "/d/tiny-mid/3").select("nav.harvests") == []
    assert soup_of(client, "/compare?a=tiny-mid/3&b=tiny-mid/4").select("select") == []
