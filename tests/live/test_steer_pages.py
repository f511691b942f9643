"""The pages of steering without JavaScript: forms that answer with the whole result and keep what was typed."""

from urllib.parse import urlencode

import pytest
from bs4 import BeautifulSoup
from fastapi.testclient import TestClient

from app.main import create_app
from tests.live.conftest import BASE, EARLY, SAE, LiveWorld, app_settings
from tests.live.test_api_steer import steer
from tests.tiny import ALWAYS, DEAD

TEXT = "alpha beta"
FORM = {"text": TEXT, "feature": [f"{SAE}/{ALWAYS}", "", ""], "mode": ["add", "add", "add"], "value": ["2", "1", "1"]}
HOSTILE = "<script>alert(1)</script>\u202e\x00&quot;"


def soup(response) -> BeautifulSoup:
    return BeautifulSoup(response.text, "html.parser")


def texts(page: BeautifulSoup) -> list[str]:
    """What was written, as it is and changed."""
    return ["".join(span.text for span in side.select(".written__token")) for side in page.select(".written__side")]


def test_the_page_alone_asks_for_a_text_and_a_feature(client: TestClient):
    page = soup(client.get("/live/steer"))
    assert page.select_one("textarea[name=text]").text.strip() == ""
    assert len(page.select("input[name=feature]")) == 3
    assert "Give some text and name a feature" in page.select_one("#answer").text


def test_the_form_answers_with_what_the_events_say(client: TestClient):
    response = client.post("/live/steer", data={**FORM, "new_tokens": "6", "temperature": "0"})
    assert response.status_code == 200
    page = soup(response)
    events = steer(client, text=TEXT, new_tokens=6, temperature=0)
    whole = [events[-1]["written"][side]["text"] for side in ("without", "with")]
    assert [len(text) for text in texts(page)] >= [1, 1]
    shown = [text.replace("↵", "\n") for text in texts(page)]
    assert [len(one) for one in shown] == [len(other.replace("\t", "→")) for other in whole]
    assert page.select_one(".written__prompt").text == TEXT
    assert f"/d/{SAE}/{ALWAYS}" in {link["href"] for link in page.select(".written__changes a")}
    gained = next(each for each in events if each["event"] == "next")["gained"]
    table = page.select(".next__tables table")[1]
    assert len(table.select("tbody tr")) == len(gained)
    assert page.select_one("textarea").text.strip() == TEXT
    assert page.select_one("input[name=feature]")["value"] == f"{SAE}/{ALWAYS}"
    assert "Always the likeliest token" in page.text


def test_the_permalink_shows_the_same(client: TestClient):
    page = soup(client.post("/live/steer", data={**FORM, "new_tokens": "4", "seed": "3"}))
    link = next(each["href"] for each in page.select("#written a") if each.text == "Permalink")
    again = soup(client.get(link))
    assert texts(again) == texts(page)
    assert again.select_one("input[name=seed]")["value"] == "3"


def test_a_draft_is_shown_and_not_run(client: TestClient):
    page = soup(client.get(f"/live/steer?{urlencode({'text': TEXT, 'feature': f'{SAE}/3', 'draft': 1})}"))
    assert page.select_one("input[name=feature]")["value"] == f"{SAE}/3"
    assert not page.select("#written")


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"feature": ["nonsense"]}, 422, "names no feature"),
        ({"feature": [""]}, 422, "No feature is named"),
        ({"feature": ["tiny-see/1"]}, 404, "tiny-sae"),
        ({"feature": [f"{SAE}/{DEAD}"]}, 422, "never fired"),
        ({"value": ["much"]}, 422, "expected a number"),
        ({"mode": ["double"]}, 422, "'double' is nothing to do with a feature"),
        ({"temperature": "warm"}, 422, "Temperature is 'warm'"),
        ({"feature": [f"{SAE}/{n % 20 + 2}" for n in range(70)]}, 413, "70 edits; the limit is 64"),
        ({"new_tokens": "0"}, 422, "Tokens to write is '0'"),
        ({"new_tokens": "9999"}, 413, "the limit is 512"),
        ({"text": "a" * 140_000}, 413, "140,001 tokens; the limit is 131,072"),
    ],
)
def test_what_cannot_be_asked_is_told_beside_the_form_that_is_kept(client, changes: dict, status: int, words: str):
    form = {**FORM, **changes}
    response = client.post("/live/steer", data=form)
    page = soup(response)
    assert response.status_code == status
    assert words in page.select_one("#answer [role=alert]").text
    assert page.select_one("textarea").text.strip() == form["text"]


def test_a_form_without_end_is_refused(client: TestClient):
    response = client.post("/live/steer", data={**FORM, "feature": ["x/1"] * 2000})
    assert response.status_code == 400
    assert "more than 1000 fields" in response.text


def test_text_of_people_is_shown_and_not_obeyed(client: TestClient):
    response = client.post("/live/steer", data={**FORM, "text": HOSTILE, "new_tokens": "2"})
    assert response.status_code == 200
    assert "<script>alert" not in response.text
    assert "⟨U+202E⟩" in soup(response).select_one(".written__prompt").text


def test_without_a_worker_the_page_says_so_keeps_the_text_and_offers_to_try_again(lonely_world: LiveWorld):
    with TestClient(create_app(app_settings(lonely_world)), base_url=BASE) as client:
        for path, form in (
            ("/live/steer", FORM),
            ("/live/steer/effects", {"text": TEXT, "d": SAE}),
            ("/live/steer/logits", {"text": TEXT, "d": SAE}),
        ):
            response = client.post(path, data=form)
            page = soup(response)
            assert response.status_code == 503
            assert "No worker is up" in page.select_one("[role=alert] h2").text
            assert "Try again" in page.select_one("#answer button").text
            assert page.select_one("textarea").text.strip() == TEXT
        events = client.post("/live/steer/events", data=FORM)
        assert events.text.startswith("event: html")
        assert "No worker is up" in events.text
        assert client.get(f"/d/{SAE}").status_code == 200


def test_events_of_the_page_end_with_the_piece_that_the_form_answers_with(client: TestClient):
    form = {**FORM, "new_tokens": "4"}
    response = client.post("/live/steer/events", data=form)
    names = [line.removeprefix("event: ") for line in response.text.split("\n") if line.startswith("event: ")]
    assert names[0] == "prompt"
    assert names[-1] == "html"
    assert set(names[1:-1]) == {"token"}
    assert "Permalink" in response.text


def test_features_are_taken_away_for_the_token_chosen(client: TestClient):
    page = soup(client.post("/live/steer/effects", data={"text": TEXT, "d": [SAE, EARLY], "at": "4", "strongest": "5"}))
    assert len(page.select(".effects tbody tr")) == 5
    pressed = page.select(".apart button[aria-pressed=true]")
    assert [each["value"] for each in pressed] == ["4"]
    assert page.select_one(".apart button")["disabled"] == ""
    body = {"text": TEXT, "dictionaries": [SAE, EARLY], "strongest": 5, "position": 4}
    found = client.post("/api/v1/live/effects", json=body).json()
    shown = [row.select_one("th a")["href"] for row in page.select(".effects tbody tr")]
    assert shown == [f"/d/{each['dictionary']}/{each['feature']}" for each in found["effects"]]
    steer_link = page.select_one(".effects tbody td:last-child a")["href"]
    assert not soup(client.get(steer_link)).select("#written")


def test_logits_are_taken_apart_after_the_token_chosen(client: TestClient):
    page = soup(client.post("/live/steer/logits", data={"text": TEXT, "d": SAE, "at": "5"}))
    rows = page.select(".effects tbody tr")
    found = client.post("/api/v1/live/attribution", json={"text": TEXT, "dictionary": SAE, "position": 4}).json()
    assert len(rows) == len(found["features"]) + 4
    assert "follows" in page.select(".effects thead th")[1].text
    assert "What the dictionary does not explain" in page.text
    end = soup(client.post("/live/steer/logits", data={"text": TEXT, "d": SAE, "at": str(len(TEXT) + 1)}))
    assert "follows" not in end.select_one(".effects thead").text


@pytest.mark.parametrize("path", ["/live/steer/effects", "/live/steer/logits"])
def test_what_cannot_be_taken_apart_is_told_beside_the_form(client: TestClient, path: str):
    for form, words in (
        ({"text": TEXT}, "No dictionary is chosen"),
        ({"text": TEXT, "d": "gone"}, "gone"),
        ({"text": TEXT, "d": SAE, "at": "99"}, "there is no token"),
        ({"text": TEXT, "d": SAE, "at": "x"}, "The place of the token is 'x'"),
    ):
        response = client.post(path, data=form)
        assert response.status_code in (404, 422)
        assert words in soup(response).select_one("#answer [role=alert]").text
    assert client.get(path).status_code == 200


def test_the_page_of_a_feature_leads_to_the_form_with_it_filled_in(client: TestClient):
    page = soup(client.get(f"/d/{SAE}/{ALWAYS}"))
    link = next(each["href"] for each in page.select(".steps a") if each.text == "steer")
    form = soup(client.get(link))
    assert form.select_one("input[name=feature]")["value"] == f"{SAE}/{ALWAYS}"
    assert not form.select("#written, [role=alert] h2")
