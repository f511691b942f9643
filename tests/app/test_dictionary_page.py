"""The list of a dictionary's features: sorting, filtering, paging, quality, empty states."""

from urllib.parse import urlencode

import pytest
from bs4 import BeautifulSoup
from fastapi.testclient import TestClient

from tests.app.reading import links_of, one, soup_of, text_of
from tests.app.synthetic import D_SAE, DEAD, SyntheticHarvest


def indices(page: BeautifulSoup) -> list[int]:
    return [int(text_of(link)) for link in page.select(".features tbody th a")]


def test_features_are_listed_densest_first(client: TestClient, harvested: SyntheticHarvest):
    fired = [harvested.features[index].tokens_fired for index in indices(soup_of(client, "/d/tiny-mid"))]
    assert len(fired) == D_SAE
    assert fired == sorted(fired, reverse=True)


@pytest.mark.parametrize("sort", ["index", "density", "peak", "mean", "token"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_every_column_sorts_both_ways_and_says_so(client: TestClient, sort: str, order: str):
    page = soup_of(client, f"/d/tiny-mid?sort={sort}&order={order}")
    heads = page.select(".features th[aria-sort]")
    assert [head["aria-sort"] for head in heads] == ["ascending" if order == "asc" else "descending"]
    turned = "desc" if order == "asc" else "asc"
    assert f"/d/tiny-mid?sort={sort}&order={turned}" in links_of(heads[0])


def test_paging_shows_every_feature_once(client: TestClient):
    seen: list[int] = []
    path = "/d/tiny-mid?limit=7&sort=peak"
    while path:
        page = soup_of(client, path)
        seen += indices(page)
        path = next((str(link["href"]) for link in page.select("a[rel~=next]")), "")
        path = path and f"{path}&limit=7"
    assert sorted(seen) == list(range(D_SAE))


def test_the_second_page_leads_back_to_the_first(client: TestClient):
    first = soup_of(client, "/d/tiny-mid?limit=10")
    second = soup_of(client, f"{one(first, '#feature-list a[rel~=next]')['href']}&limit=10")
    back = soup_of(client, f"{one(second, '#feature-list a[rel~=prev]')['href']}&limit=10")
    assert indices(back) == indices(first)


def test_a_filter_by_token_keeps_the_features_whose_top_token_has_it(client: TestClient):
    page = soup_of(client, "/d/tiny-mid?token=RIVER")
    tokens = {text_of(chip) for chip in page.select("[data-name=token] .chip")}
    assert tokens == {"· river"}


def test_a_filter_by_density_takes_percentages(client: TestClient, harvested: SyntheticHarvest):
    tokens = harvested.harvest.tokens
    want = {f.index for f in harvested.features if 0.01 * tokens <= f.tokens_fired <= 0.05 * tokens}
    assert (
        set(indices(soup_of(client, "/d/tiny-mid?" + urlencode({"min_density": "1%", "max_density": "5 %"})))) == want
    )


def test_dead_features_can_be_listed_alone(client: TestClient):
    page = soup_of(client, "/d/tiny-mid?state=dead&sort=index")
    assert indices(page) == list(DEAD)
    assert text_of(page).count("never fired") >= len(DEAD)


def test_a_filter_keeps_what_was_typed_when_sorting(client: TestClient):
    page = soup_of(client, "/d/tiny-mid?token=river&min_peak=1")
    assert one(page, "input[name=token]")["value"] == "river"
    assert "/d/tiny-mid?token=river&min_peak=1&sort=peak&order=desc" in links_of(one(page, ".features thead"))


def test_an_empty_filter_field_counts_as_not_given(client: TestClient):
    assert (
        len(
            indices(
                soup_of(client, "/d/tiny-mid?token=&min_density=&max_density=&min_peak=&state=&sort=density&order=desc")
            )
        )
        == D_SAE
    )


def test_a_filter_that_nothing_fits_offers_the_way_back(client: TestClient):
    page = soup_of(client, "/d/tiny-mid?token=zzzz")
    assert "No feature fits" in text_of(one(page, "#feature-list"))
    assert "/d/tiny-mid" in links_of(one(page, "#feature-list"))


def test_a_filter_that_is_no_number_is_named(client: TestClient):
    assert "min_density is 'a lot'" in text_of(soup_of(client, "/d/tiny-mid?min_density=a+lot", status=400))


def test_a_foreign_cursor_is_refused_in_words(client: TestClient):
    assert "cursor" in text_of(soup_of(client, "/d/tiny-mid?after=abc", status=400))


def test_quality_is_counted(client: TestClient, harvested: SyntheticHarvest):
    facts = text_of(one(soup_of(client, "/d/tiny-mid"), "#quality"))
    assert f"Features {D_SAE} {D_SAE - len(DEAD)} live" in facts
    assert f"Dead 7.5 % {len(DEAD)} features never fired" in facts
    assert "Loss recovered 94 %" in facts


def test_each_line_has_its_sparkline_and_promoted_tokens(client: TestClient):
    page = soup_of(client, "/d/tiny-mid?state=live")
    assert len(page.select(".features .spark path")) == D_SAE - len(DEAD)
    assert all(len(cell.select(".chip")) == 5 for cell in page.select("[data-name=promoted]"))


def test_a_dictionary_never_harvested_says_how_to(client: TestClient):
    page = soup_of(client, "/d/not-yet")
    assert "featurescope harvest not-yet" in text_of(page)
    assert not page.select(".filter, .features")


def test_provenance_names_corpus_hash_and_seed(client: TestClient, harvested: SyntheticHarvest):
    text = text_of(soup_of(client, "/d/tiny-mid"))
    for value in ("made-up-sentences", harvested.dictionary.hash, "blocks.1.hook_resid_post", "float32"):
        assert value in text
