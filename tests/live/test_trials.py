"""Own text on one feature: the box, its answer in the colours of the page, and what is pinned."""

import pytest
from bs4 import BeautifulSoup
from fastapi import Request
from fastapi.testclient import TestClient

from app.main import create_app
from app.pages.contexts import level_of
from catalog.label_records import PersonRecord
from tests.app.reading import one, soup_of, text_of
from tests.live.conftest import BASE, SAE, LiveWorld, app_settings, open_door
from tests.tiny import ALWAYS, DEAD

HOSTILE = "<script>alert(1)</script> \"quoted\" 'single' & naïve 東京 \u202eabc\u202c\x07\n\n  two lines"


def tried(client: TestClient, index: int, text: str, *, status: int = 200, **fields: str) -> BeautifulSoup:
    response = client.post(f"/d/{SAE}/{index}/try", data={"text": text, **fields})
    assert response.status_code == status, response.text[:500]
    return BeautifulSoup(response.text, "html.parser")


def live(client: TestClient, index: int, text: str, **more: object) -> tuple[dict, dict[int, float]]:
    asked = {"texts": [text], "dictionaries": [SAE], **more}
    (result,) = client.post("/api/v1/live", json=asked).json()["results"]
    fired = [feature for feature in result["features"] if feature["index"] == index]
    return result, {position: value for feature in fired for position, value in feature["activations"]}


def peak_of(client: TestClient, index: int) -> float:
    return client.get(f"/api/v1/dictionaries/{SAE}/features/{index}").json()["counts"]["peak"]


@pytest.mark.parametrize("text", ["alpha beta gamma", HOSTILE, "a", "alpha beta " * 12])
def test_a_text_is_marked_where_live_inference_says_that_it_fires(client: TestClient, text: str):
    index = 5
    _, activations = live(client, index, text)
    peak = peak_of(client, index)
    marks = tried(client, index, text).select(".trial__text mark")
    told = {int(mark["title"].rsplit(" ", 1)[1]): int(mark["data-level"]) for mark in marks}
    assert told == {position: level_of(value, peak) for position, value in activations.items()}


def test_the_text_stays_in_the_box_and_none_of_it_is_markup(client: TestClient):
    soup = tried(client, 5, HOSTILE)
    assert not [script for script in soup.select("script") if "alert" in script.get_text()]
    # What HTML itself makes of a control character is not ours to keep.
    assert one(soup, "#try-text").get_text() == "\n" + HOSTILE
    assert one(soup, ".trial__result input[name=text]")["value"] == HOSTILE


def test_line_breaks_of_a_form_are_those_of_the_text(client: TestClient):
    _, expected = live(client, ALWAYS, "a\nb")
    marks = tried(client, ALWAYS, "a\r\nb").select(".trial__text mark")
    assert len(marks) == len(expected) == 3


def test_a_silent_feature_and_an_empty_text_say_so(client: TestClient):
    assert "Silent on all 6 tokens." in text_of(tried(client, DEAD, "alpha"))
    assert not tried(client, 5, "").select(".trial__result")


def test_a_permalink_gives_the_same_page_and_none_is_offered_for_a_long_text(client: TestClient):
    soup = tried(client, ALWAYS, "alpha beta")
    address = str(one(soup, '.trial__result a[href*="/try?"]')["href"])
    again = soup_of(client, address)
    assert str(one(again, ".trial__text")) == str(one(soup, ".trial__text"))
    assert not tried(client, ALWAYS, "a" * 3000).select('.trial__result a[href*="/try?"]')


def test_a_long_text_is_cut_as_harvested_or_left_whole(client: TestClient):
    text = "a" * 40
    assert "in 2 contexts, cut as the harvest cuts them" in text_of(tried(client, ALWAYS, text))
    whole = tried(client, ALWAYS, text, mode="whole")
    assert "of 41 tokens, at most" in text_of(one(whole, ".trial__result"))
    assert one(whole, "option[selected]")["value"] == "whole"
    too_long = tried(client, ALWAYS, "a" * 100, status=413, mode="whole")
    assert "takes 64 at most" in text_of(one(too_long, "#error"))
    assert one(too_long, "#try-text").get_text() == "\n" + "a" * 100


def test_the_feature_page_has_the_box_and_no_frame_of_it_has(client: TestClient):
    box = one(soup_of(client, f"/d/{SAE}/5"), "#try form")
    assert (box["method"], box["action"], box["hx-select"]) == ("post", f"/d/{SAE}/5/try", "#try")
    assert not soup_of(client, f"/d/{SAE}/5?embed").select("#try")


def test_without_a_worker_the_text_is_kept(lonely_world: LiveWorld):
    with TestClient(create_app(app_settings(lonely_world)), base_url=BASE) as client:
        soup = tried(client, 5, "some text", status=503)
        assert "No worker is up" in text_of(one(soup, "#error"))
        assert one(soup, "#try-text").get_text() == "\nsome text"
        assert client.get(f"/d/{SAE}/5").status_code == 200
        with open_door(lonely_world):
            assert tried(client, ALWAYS, "some text").select(".trial__text mark")


def test_a_result_is_pinned_shown_with_its_numbers_and_taken_down(client: TestClient):
    text = "pinned\nαβ " + HOSTILE
    _, activations = live(client, ALWAYS, text)
    answer = client.post(f"/d/{SAE}/{ALWAYS}/examples", data={"text": text, "mode": "cut"}, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/d/{SAE}/{ALWAYS}#examples"
    (example,) = client.get(f"/api/v1/dictionaries/{SAE}/features/{ALWAYS}").json()["examples"]
    assert (example["text"], example["author"]) == (text, "owner")
    assert dict(example["activations"]) == pytest.approx(activations)
    assert example["worker"]["dtype"] == "float32"
    section = one(soup_of(client, f"/d/{SAE}/{ALWAYS}"), "#examples")
    assert "pinned by owner" in text_of(section)
    assert section.select("mark")
    assert str(one(section, "a")["href"]).startswith(f"/d/{SAE}/{ALWAYS}/try?text=pinned")
    assert not soup_of(client, f"/d/{SAE}/5").select("#examples mark")
    gone = client.post(str(one(section, "form")["action"]), follow_redirects=False)
    assert gone.status_code == 303
    assert client.get(f"/api/v1/dictionaries/{SAE}/features/{ALWAYS}").json()["examples"] == []
    assert client.post(str(one(section, "form")["action"])).status_code == 404


def test_what_is_too_long_to_pin_is_kept_and_named(client: TestClient):
    response = client.post(f"/d/{SAE}/5/examples", data={"text": "a" * 20_001})
    assert response.status_code == 413
    soup = BeautifulSoup(response.text, "html.parser")
    assert "20,001 characters" in text_of(one(soup, "#error"))
    assert len(one(soup, "#try-text").get_text()) == 20_002
    assert client.get(f"/api/v1/dictionaries/{SAE}/features/5").json()["examples"] == []


def test_another_site_pins_nothing(client: TestClient):
    headers = {"Origin": "http://elsewhere.example"}
    assert client.post(f"/d/{SAE}/5/examples", data={"text": "a"}, headers=headers).status_code == 403


class Reader:
    """Somebody who may look, and no more."""

    is_reading_open = True
    has_accounts = False

    async def person(self, request: Request) -> PersonRecord:
        return PersonRecord("ada", "viewer")


def test_whoever_may_only_look_tries_but_does_not_pin(world: LiveWorld, client: TestClient):
    with TestClient(create_app(app_settings(world), asking=Reader()), base_url=BASE) as other:
        assert not tried(other, ALWAYS, "a").select('form[action$="/examples"]')
        assert one(tried(other, ALWAYS, "a"), ".trial__text")
        assert other.post(f"/d/{SAE}/5/examples", data={"text": "a"}).status_code == 403
        assert other.post(f"/d/{SAE}/5/examples/1/remove").status_code == 403
