"""POST /api/v1/live: what it answers is what the dictionaries make of the texts, and errors name what is wrong."""

import json
import math

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient

from catalog.grid import bin_of
from tests.live.conftest import EARLY, SAE, SHORT, LiveWorld
from tests.tiny import ALWAYS, DEAD

TEXTS = ["alpha beta gamma", "", "a", "naïve 東京 \U0001f600", "x\x00y\u202e\x07", "alpha beta " * 6]


def ask(client: TestClient, **values: object) -> dict:
    response = client.post("/api/v1/live", json=values)
    assert response.status_code == 200, response.text
    return response.json()


def slow(world: LiveWorld, slug: str, token_ids: list[int], starts: list[int]) -> np.ndarray:
    """(token, feature) the plain way: each context alone through the model and the dictionary's own encode."""
    dictionary, model = world.dictionaries[slug], world.context.models.get(str(world.files.model))
    parts = [np.zeros((0, dictionary.d_sae))]
    for start, stop in zip(starts, [*starts[1:], len(token_ids)][: len(starts)], strict=True):
        acts = model.activations(torch.tensor([token_ids[start:stop]]), (dictionary.hook_name,))
        values = dictionary.encode(acts[dictionary.hook_name][0]).numpy().copy()
        special = [at for at, token in enumerate(token_ids[start:stop]) if token in model.tokenizer.special_ids]
        values[[0, *special]] = 0
        parts.append(values)
    return np.concatenate(parts)


@pytest.mark.parametrize("slug", [SAE, EARLY, SHORT])
def test_every_text_gets_what_the_dictionary_makes_of_it(client: TestClient, world: LiveWorld, slug: str):
    results = ask(client, texts=TEXTS, dictionaries=[slug])["results"]
    assert [(each["text"], each["dictionary"]) for each in results] == [(n, slug) for n in range(len(TEXTS))]
    for each in results:
        expected = slow(world, slug, each["token_ids"], each["context_starts"])
        found = np.zeros_like(expected)
        for feature in each["features"]:
            for position, value in feature["activations"]:
                found[position, feature["index"]] = value
        assert np.allclose(found, expected, atol=1e-5)
        peaks = [feature["peak"] for feature in each["features"]]
        assert peaks == sorted(peaks, reverse=True)
        for feature in each["features"]:
            column = expected[:, feature["index"]]
            assert feature["peak"] == pytest.approx(column.max(), abs=1e-5)
            assert feature["sum"] == pytest.approx(column.sum(), abs=1e-4)
            assert feature["n_tokens"] == (column > 0).sum() == len(feature["activations"])


def test_tokens_are_those_of_the_text(client: TestClient):
    (result,) = ask(client, texts=["aé"], dictionaries=[SAE])["results"]
    assert result["tokens"] == ["<|endoftext|>", "a", "", "é"]
    assert len(result["token_ids"]) == 4
    (short,) = ask(client, texts=["ab" * 12], dictionaries=[SHORT])["results"]
    assert short["context_starts"] == [0, 16]
    assert "".join(short["tokens"]) == "ab" * 12


def test_a_dictionary_is_named_by_slug_or_by_hash(client: TestClient, world: LiveWorld):
    identity = world.record(EARLY).hash
    answer = ask(client, texts=["a"], dictionaries=[SAE, identity, EARLY])
    assert [each["dictionary"] for each in answer["results"]] == [SAE, EARLY]
    assert answer["results"][1]["hash"] == identity
    assert set(answer["provenance"]) == {SAE, EARLY}
    assert answer["provenance"][SAE]["dtype"] == "float32"


def test_a_limit_keeps_the_strongest_and_says_how_many_there_are(client: TestClient):
    (whole,) = ask(client, texts=["alpha beta"], dictionaries=[SAE])["results"]
    (cut,) = ask(client, texts=["alpha beta"], dictionaries=[SAE], limit=3)["results"]
    assert cut["features"] == whole["features"][:3]
    assert cut["n_features"] == whole["n_features"] == len(whole["features"]) > 3
    (none,) = ask(client, texts=["alpha beta"], dictionaries=[SAE], limit=0)["results"]
    assert none["features"] == []


def test_details_are_those_of_the_harvest(client: TestClient, world: LiveWorld):
    (result,) = ask(client, texts=["alpha beta gamma"], dictionaries=[SAE], details=True)["results"]
    harvest = world.record(SAE).harvest
    assert harvest is not None
    assert result["harvest"] == harvest.id
    for feature in result["features"]:
        with world.context.ledger.reading() as reader:
            stored = reader.feature(SAE, feature["index"])
        assert feature["density"] == pytest.approx(stored.tokens_fired / harvest.tokens)
        assert feature["harvest_peak"] == pytest.approx(stored.peak, rel=1e-6)
        place = bin_of(np.array([feature["peak"]], dtype=np.float32))[0]
        pairs = zip(stored.histogram_bins.tolist(), stored.histogram_counts.tolist(), strict=True)
        at_least = sum(count for number, count in pairs if number >= place)
        assert feature["surprise"] == pytest.approx(math.log10(harvest.tokens / max(1, at_least)), abs=1e-3)
    always = next(each for each in result["features"] if each["index"] == ALWAYS)
    assert always["surprise"] == 0
    assert DEAD not in {each["index"] for each in result["features"]}
    (unharvested,) = ask(client, texts=["alpha"], dictionaries=[SHORT], details=True)["results"]
    assert {each["surprise"] for each in unharvested["features"]} == {None}


def test_stored_contexts_go_through_as_token_ids(client: TestClient, world: LiveWorld):
    feature = client.get(f"/api/v1/dictionaries/{SAE}/features/{ALWAYS + 3}").json()
    top = feature["top_contexts"][0]
    answer = ask(client, token_ids=[top["token_ids"]], dictionaries=[SAE], only=[ALWAYS + 3])
    (live,) = answer["results"][0]["features"]
    assert [position for position, _ in live["activations"]] == [position for position, _ in top["activations"]]
    assert live["peak"] == pytest.approx(top["peak"], rel=1e-5)


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        (b"\xff", 400, "invalid", "not understood"),
        (b"[" * 100_000, 400, "invalid", "not understood"),
        (b"{}", 422, "invalid", "dictionaries: Field required"),
        (b'{"texts": ["a"], "dictionaries": []}', 422, "invalid", "dictionaries"),
        (b'{"texts": "a", "dictionaries": ["tiny-sae"]}', 422, "invalid", "texts"),
        (b'{"texts": ["a"], "dictionaries": ["tiny-sae"], "more": 1}', 422, "invalid", "more"),
        (b'{"texts": ["\\ud800"], "dictionaries": ["tiny-sae"]}', 400, "invalid", "hex escape"),
        (b'{"dictionaries": ["tiny-sae"]}', 422, "bad_request", "both or neither"),
        (b'{"texts": ["a"], "dictionaries": ["tiny-see"]}', 404, "not_found", "tiny-sae"),
        (b'{"token_ids": [[1, 99999]], "dictionaries": ["tiny-sae"]}', 422, "bad_request", "99999"),
    ],
)
def test_what_cannot_be_answered_says_why(client: TestClient, body: bytes, status: int, code: str, words: str):
    response = client.post("/api/v1/live", content=body)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code), error
    assert words in error["message"]


def test_limits_of_the_worker_are_passed_on(client: TestClient):
    response = client.post("/api/v1/live", json={"texts": ["a"] * 33, "dictionaries": [SAE]})
    assert response.status_code == 413
    assert response.json()["error"]["message"] == "The request has 33 texts; the limit is 32."
    assert "FEATURESCOPE_LIVE_MAX_TEXTS" in response.json()["error"]["hint"]
    response = client.post("/api/v1/live", json={"texts": ["a" * 140_000], "dictionaries": [SAE]})
    assert response.status_code == 413
    assert "the limit is 131,072" in response.json()["error"]["message"]


def test_a_request_beyond_what_is_read_is_refused(client: TestClient):
    body = json.dumps({"texts": ["a" * 9_000_000], "dictionaries": [SAE]})
    response = client.post("/api/v1/live", content=body)
    assert response.status_code == 413
    assert "the limit is 8,388,608" in response.json()["error"]["message"]


def test_a_write_from_another_site_is_refused(client: TestClient):
    headers = {"Origin": "http://elsewhere.example"}
    body = {"texts": ["a"], "dictionaries": [SAE]}
    assert client.post("/api/v1/live", json=body, headers=headers).status_code == 403
