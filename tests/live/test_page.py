"""The page of live text as one without JavaScript uses it: forms, buttons, addresses, and what is hostile in texts."""

import socket
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from bs4 import BeautifulSoup, Tag
from fastapi.testclient import TestClient

from app.live.view import WINDOW
from app.main import create_app
from catalog.live_secret import make_live_secret
from tests.app.reading import one, text_of
from tests.live.conftest import BASE, EARLY, SAE, SHORT, LiveWorld, app_settings
from tests.tiny import ALWAYS
from tests.worker.jobs.worker_process import wait_until

TEXT = "alpha beta"


def page_of(client: TestClient, *, status: int = 200, **fields: object) -> BeautifulSoup:
    """What a form with these fields shows; a list is a field sent several times."""
    response = client.post("/live", data=fields)
    assert response.status_code == status, response.text[:3000]
    return BeautifulSoup(response.text, "html.parser")


def pressed(client: TestClient, soup: BeautifulSoup, button: Tag) -> BeautifulSoup:
    """The page after a button of the view form was pressed, as a browser sends it: fields in order, the button last."""
    form = one(soup, f"form#{button['form']}")
    pairs = [(field["name"], field.get("value", "")) for field in form.select("input")]
    for field in soup.select("input[form=view], select[form=view]"):
        chosen = field.select_one("option[selected]") if field.name == "select" else field
        pairs.append((field["name"], chosen["value"]))
    pairs += [(button["name"], button["value"])] if button.has_attr("name") else []
    asked = dict(params=pairs) if form["method"] == "get" else dict(data=_grouped(pairs))
    response = client.request(str(form["method"]), str(form["action"]), **asked)
    assert response.status_code == 200, response.text[:3000]
    return BeautifulSoup(response.text, "html.parser")


def _grouped(pairs: list) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(str(name), []).append(str(value))
    return grouped


def ranked(soup: BeautifulSoup) -> list[int]:
    return [int(text_of(row).lstrip("abc")) for row in soup.select(".ranked tbody th")]


def live(client: TestClient, slug: str, *texts: str) -> list[dict]:
    """Features of each text, through the JSON twin."""
    asked = {"texts": list(texts), "dictionaries": [slug], "details": True}
    return client.post("/api/v1/live", json=asked).json()["results"]


def test_an_unused_page_says_what_to_do(client: TestClient):
    soup = BeautifulSoup(client.get("/live").text, "html.parser")
    assert "Nothing has been read yet" in text_of(one(soup, "#live-result"))
    assert [box["value"] for box in soup.select("input[name=d]")] == [SAE, EARLY, SHORT]
    assert [box["value"] for box in soup.select("input[name=d][checked]")] == [SAE]
    chosen = BeautifulSoup(client.get(f"/live?d={EARLY}").text, "html.parser")
    assert [box["value"] for box in chosen.select("input[name=d][checked]")] == [EARLY]


def test_a_short_text_gets_an_address_that_shows_the_same(client: TestClient):
    response = client.post("/live", data={"text": TEXT, "d": SAE}, follow_redirects=False)
    assert response.status_code == 303
    address = response.headers["location"]
    assert parse_qs(urlsplit(address).query) == {"text": [TEXT], "d": [SAE]}
    soup = BeautifulSoup(client.get(address).text, "html.parser")
    assert one(soup, "#about-title + dl ~ p a")["href"] == address
    assert one(soup, "textarea[name=text]").get_text().lstrip("\n") == TEXT


def test_tokens_stand_over_the_features_that_are_strongest_there(client: TestClient):
    soup = page_of(client, text=TEXT, d=SAE)
    tokens = [text_of(button) for button in soup.select(".gloss__token")]
    assert tokens == ["<|endoftext|>", *("·" if letter == " " else letter for letter in TEXT)]
    (result,) = live(client, SAE, TEXT)
    heats = {
        (feature["index"], place): value / feature["harvest_peak"]
        for feature in result["features"]
        for place, value in feature["activations"]
    }
    for place, cell in enumerate(soup.select(".gloss__cell")):
        shown = [int(text_of(chip)) for chip in cell.select(".gloss__feature")]
        here = sorted((-heat, index) for (index, at), heat in heats.items() if at == place)
        assert shown == [index for _, index in here[:3]]


@pytest.mark.parametrize("sort", ["peak", "sum", "tokens", "surprise", "heat"])
def test_the_list_is_in_the_order_asked_for(client: TestClient, sort: str):
    soup = page_of(client, text=TEXT, d=SAE)
    soup = pressed(client, soup, one(soup, f"button#sort-{sort}"))
    (result,) = live(client, SAE, TEXT)
    keys = {
        "peak": lambda each: each["peak"],
        "sum": lambda each: each["sum"],
        "tokens": lambda each: each["n_tokens"],
        "surprise": lambda each: each["surprise"],
        "heat": lambda each: each["peak"] / each["harvest_peak"],
    }
    by_index = {each["index"]: each for each in result["features"]}
    values = [keys[sort](by_index[index]) for index in ranked(soup)]
    assert values == pytest.approx(sorted(map(keys[sort], result["features"]), reverse=True)[:25], abs=1e-6)
    assert one(soup, "th[aria-sort]").get_text() == sort.capitalize()


def test_a_token_sorts_the_list_by_itself_and_a_span_by_all_of_it(client: TestClient):
    soup = page_of(client, text=TEXT, d=SAE)
    (result,) = live(client, SAE, TEXT)

    def firing(first: int, last: int) -> list[int]:
        peaks = {
            each["index"]: max((value for at, value in each["activations"] if first <= at <= last), default=0)
            for each in result["features"]
        }
        return sorted((index for index in peaks if peaks[index]), key=lambda index: (-peaks[index], index))

    soup = pressed(client, soup, soup.select(".gloss__token")[3])
    assert ranked(soup) == firing(3, 3)
    assert "token 3: “p”" in text_of(one(soup, ".live__choices"))
    one(soup, "input[name=first]")["value"], one(soup, "input[name=last]")["value"] = "5", "2"
    soup = pressed(client, soup, one(soup, "button[value=span]"))
    assert ranked(soup) == firing(2, 5)[:25]
    assert len(soup.select(".gloss__cell--chosen")) == 4
    soup = pressed(client, soup, one(soup, "#clear-at"))
    assert not soup.select(".gloss__cell--chosen")


def test_a_feature_colours_the_text(client: TestClient):
    soup = page_of(client, text=TEXT, d=SAE)
    assert not soup.select(".gloss__token mark")
    row = next(row for row in soup.select(".ranked tbody tr") if text_of(one(row, "th")) == str(ALWAYS))
    soup = pressed(client, soup, one(row, ".ranked__spark"))
    assert [mark["data-level"] for mark in soup.select(".gloss__token mark")] == ["10"] * len(TEXT)
    assert f"feature {ALWAYS}" in text_of(one(soup, ".live__choices"))
    again = one(soup, ".ranked__coloured .ranked__spark")
    assert not pressed(client, soup, again).select(".gloss__token mark")


def test_the_slider_leaves_out_what_is_dense(client: TestClient):
    soup = page_of(client, text=TEXT, d=SAE)
    assert ALWAYS in ranked(soup)
    one(soup, "input[name=dense]")["value"] = "8"
    soup = pressed(client, soup, one(soup, "[data-live-apply]"))
    densities = {each["index"]: each["density"] for each in live(client, SAE, TEXT)[0]["features"]}
    assert ranked(soup)
    assert all(densities[index] <= 0.2 for index in ranked(soup))
    assert str(ALWAYS) not in {text_of(chip) for chip in soup.select(".gloss__feature")}
    left_out = sum(density > 0.2 for density in densities.values())
    assert f"{left_out} denser ones left out" in text_of(one(soup, "#ranked"))


def test_two_texts_are_compared_by_what_differs_most(client: TestClient):
    other = "東京 None"
    soup = page_of(client, text=TEXT, other=other, d=SAE)
    assert [text_of(title) for title in soup.select(".live__side h2")] == ["First text", "Second text"]
    assert one(soup, "th[aria-sort]").get_text() == "Difference"
    first, second = live(client, SAE, TEXT, other)
    peaks = [{each["index"]: each["peak"] for each in result["features"]} for result in (first, second)]
    scales = {each["index"]: each["harvest_peak"] for result in (first, second) for each in result["features"]}
    gaps = {index: abs(peaks[0].get(index, 0) - peaks[1].get(index, 0)) / scale for index, scale in scales.items()}
    found = [gaps[index] for index in ranked(soup)]
    assert found == pytest.approx(sorted(gaps.values(), reverse=True)[:25], abs=1e-6)
    token = soup.select("[data-side='1'] .gloss__token")[2]
    assert token["value"] == "1:2"
    assert "of the second text" in text_of(one(pressed(client, soup, token), ".live__choices"))


def test_dictionaries_that_cut_alike_are_shown_together_and_others_by_themselves(client: TestClient):
    soup = page_of(client, text=TEXT, all="tiny")
    views = [text_of(button) for button in soup.select("button[name=view]")]
    assert views == ["a + b", f"a {SAE}", f"b {EARLY}", f"c {SHORT}"]
    assert one(soup, "th[aria-sort]").get_text() == "Heat"
    letters = {text_of(row)[0] for row in soup.select(".ranked tbody th")}
    assert letters == {"a", "b"}
    soup = pressed(client, soup, soup.select("button[name=view]")[3])
    assert {text_of(row)[0] for row in soup.select(".ranked tbody th")} == {"c"}
    assert text_of(soup.select(".gloss__token")[0]) == "a"
    assert "no harvest yet" in text_of(one(soup, "#about-title + dl"))


def test_a_long_text_is_shown_in_windows_and_sent_by_forms(client: TestClient):
    soup = page_of(client, text="alpha beta gamma " * 400, d=SAE)
    assert one(soup, "form#view")["method"] == "post"
    assert "too long for a link" in text_of(soup)
    assert len(soup.select(".gloss__token")) == WINDOW
    assert "tokens 0 to 255 of" in text_of(one(soup, ".live__window"))
    assert soup.select(".gloss__cell--begins")
    soup = pressed(client, soup, one(soup, "button[name=begin]"))
    assert soup.select(".gloss__token")[0]["value"] == f"0:{WINDOW}"
    soup = pressed(client, soup, soup.select(".gloss__token")[1])
    assert "for token 257" in text_of(one(soup, ".live__choices"))
    assert len(soup.select(".gloss__cell--chosen")) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Nothing has been read yet"),
        ("a", "2 tokens in 1 context"),
        ("<|endoftext|>" * 3, "41 tokens in 2 contexts"),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea", "tokens in"),
        ("مرحبا \u202eabc\u202c", "tokens in"),
        ("\x07\x1b[31m\x7f\x00\t\r\n", "tokens in"),
        ("<script>alert(1)</script> & \"quoted\" 'so'", "tokens in"),
        ("\n\nleading lines", "tokens in"),
    ],
)
def test_any_text_behaves(client: TestClient, text: str, words: str):
    soup = page_of(client, text=text, d=SAE)
    assert words in text_of(one(soup, "#live-result"))
    kept = one(soup, "textarea[name=text]").get_text()
    assert kept.removeprefix("\n") == text.replace("\r\n", "\n").replace("\x00", "\ufffd")
    assert not [script for script in soup.select("script") if not script.has_attr("src")]


def test_an_empty_first_text_is_said_to_be_empty(client: TestClient):
    soup = page_of(client, text="", other="ab", d=SAE)
    first, second = (text_of(side) for side in soup.select(".live__side"))
    assert "This text is empty" in first
    assert "3 tokens in 1 context" in second


def test_bytes_that_are_no_text_are_read_as_browsers_read_them(client: TestClient):
    response = client.post("/live", content=b"text=a%FF%C3&d=" + SAE.encode())
    assert response.status_code == 200
    soup = BeautifulSoup(response.text, "html.parser")
    assert one(soup, "textarea[name=text]").get_text().strip() == "a\ufffd\ufffd"
    assert client.get(f"/live?text=%FF%FE&d={SAE}").status_code == 200


def test_tokens_run_as_their_text_does(client: TestClient):
    soup = page_of(client, text="123 مرحبا", other="123 abc مرحبا", d=SAE)
    assert [tokens["dir"] for tokens in soup.select(".gloss")] == ["rtl", "ltr"]


def test_a_hundred_thousand_characters_are_read(client: TestClient):
    text = "alpha beta " * 9_091
    soup = page_of(client, text=text, d=SAE)
    # A letter is a token, and a BOS stands before every 31.
    n_contexts = -(-len(text) // 31)
    assert f"{len(text) + n_contexts:,} tokens in {n_contexts:,} contexts" in text_of(one(soup, ".live__side"))
    assert len(soup.select(".gloss__token")) == WINDOW


def test_a_text_whose_reader_goes_away_is_given_up(client: TestClient, world: LiveWorld, server: str):
    text = "gamma delta " * 10_000
    n_kept = len(client.app.state.site.answers)
    with world.context.ledger.reading() as reader:
        address = reader.workers()[0].live_address
    secret = make_live_secret(world.context.settings.catalog)

    def under_way() -> int:
        headers = {"Authorization": f"Bearer {secret}"}
        return httpx.get(f"{address}/health", headers=headers, trust_env=False).json()["in_flight"]

    body = urlencode({"text": text, "d": SAE}).encode()
    head = f"POST /live HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", int(server.rpartition(":")[2]))) as reader:
        reader.sendall(head + body)
        wait_until(lambda: under_way() == 1, "a worker reads it")
    wait_until(lambda: under_way() == 0, "it is given up")
    assert len(client.app.state.site.answers) == n_kept


def test_over_a_limit_the_text_is_kept_and_the_limit_is_named(client: TestClient):
    text = "a" * 140_000
    soup = page_of(client, text=text, d=SAE, status=413)
    assert "the limit is 131,072" in text_of(one(soup, "#error"))
    assert one(soup, "textarea[name=text]").get_text().strip() == text
    # The same text would be refused again.
    assert not soup.select("#error form")


def test_without_a_worker_the_text_is_kept_and_can_be_sent_again(lonely_world: LiveWorld):
    with TestClient(create_app(app_settings(lonely_world)), base_url=BASE) as client:
        soup = page_of(client, text=TEXT, d=[SAE, EARLY], sort="sum", status=503)
        assert "No worker is up" in text_of(one(soup, "#error"))
        assert one(soup, "textarea[name=text]").get_text().strip() == TEXT
        again = {field["name"]: field["value"] for field in soup.select("#error form input")}
        assert again == {"text": TEXT, "d": EARLY, "sort": "sum"}
        assert client.get("/live").status_code == 200


def test_a_view_from_another_side_asks_no_worker_again(client: TestClient, world: LiveWorld):
    text = "return self import"
    soup = page_of(client, text=text, d=SAE)
    model = world.context.models.get(str(world.files.model))
    calls, before = [], type(model).activations
    try:
        type(model).activations = lambda *args, **more: calls.append(1) or before(*args, **more)
        pressed(client, soup, one(soup, "button#sort-sum"))
        assert not calls
        page_of(client, text=text + "!", d=SAE)
        assert calls
    finally:
        type(model).activations = before


def test_an_unknown_dictionary_or_order_is_named(client: TestClient):
    assert client.get("/live?text=a&d=tiny-see").status_code == 404
    response = client.get("/live?text=a&sort=size")
    assert response.status_code == 400
    assert "expected one of peak, heat" in response.text
