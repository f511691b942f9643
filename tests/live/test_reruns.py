"""Stored contexts run again: stored and live stand side by side and agree, and whatever does not is named."""

from dataclasses import replace

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from catalog.storage_steps import TOP
from tests.app.reading import one, soup_of, text_of
from tests.live.conftest import BASE, SAE, LiveWorld, app_settings, open_door
from tests.tiny import ALWAYS, D_SAE


def shown(world: LiveWorld, index: int) -> tuple[list[int], list[int], float]:
    """Firing contexts of a feature, silent ones, and its peak."""
    with world.context.ledger.reading() as reader:
        feature = reader.feature(SAE, index)
    firing = [*feature.top.context_ids.tolist(), *feature.bands.contexts.context_ids.tolist()]
    return list(dict.fromkeys(firing)), feature.controls.context_ids.tolist(), feature.peak


def rerun(client: TestClient, index: int, context: int) -> dict:
    response = client.get(f"/api/v1/dictionaries/{SAE}/features/{index}/contexts/{context}/rerun")
    assert response.status_code == 200, response.text
    return response.json()


def test_every_shown_context_of_every_feature_agrees(client: TestClient, world: LiveWorld):
    seen = 0
    for index in range(D_SAE):
        firing, silent, peak = shown(world, index)
        for context in (*firing[:3], *silent[:2]):
            found = rerun(client, index, context)
            assert found["agrees"] is True
            assert found["allowed_difference"] == pytest.approx(peak * (1e-3 + 1 / TOP), rel=1e-5)
            differences = [abs(token["live"] - token["stored"]) for token in found["tokens"]]
            assert found["greatest_difference"] == pytest.approx(max(differences, default=0), abs=1e-6)
            assert (found["harvested_in"], found["worker"]["dtype"]) == ("float32", "float32")
            assert bool(found["tokens"]) == (context in firing)
            seen += 1
    assert seen > D_SAE


def test_stored_and_live_are_those_of_the_catalog_and_of_live_inference(client: TestClient, world: LiveWorld):
    firing, _, _ = shown(world, ALWAYS)
    found = rerun(client, ALWAYS, firing[0])
    page = client.get(f"/api/v1/dictionaries/{SAE}/features/{ALWAYS}/contexts/{firing[0]}").json()
    assert [[token["position"], token["stored"]] for token in found["tokens"]] == page["activations"]
    texts = "".join(page["tokens"][1:])
    (live,) = client.post("/api/v1/live", json={"texts": [texts], "dictionaries": [SAE]}).json()["results"]
    (always,) = [feature for feature in live["features"] if feature["index"] == ALWAYS]
    assert np.allclose([token["live"] for token in found["tokens"]], [value for _, value in always["activations"]])


def test_the_page_says_it_in_words_and_marks_both_sides(client: TestClient, world: LiveWorld):
    firing, silent, _ = shown(world, 5)
    soup = soup_of(client, f"/d/{SAE}/5/contexts/{firing[0]}/rerun")
    assert text_of(one(soup, ".rerun__verdict h2")) == "Live gives what is stored"
    words = text_of(one(soup, ".rerun__verdict"))
    assert "0.10 % and the step of the storage" in words
    assert "No token fires on one side only." in words
    live, stored = soup.select("p.whole")
    marked = [
        [(mark.text, str(mark["title"]).split(" · ", 1)[1]) for mark in text.select("mark")] for text in (live, stored)
    ]
    assert marked[0] == marked[1] != []
    rows = soup.select(".rerun__rows tbody tr")
    assert len(rows) == len(rerun(client, 5, firing[0])["tokens"])
    quiet = soup_of(client, f"/d/{SAE}/5/contexts/{silent[0]}/rerun")
    assert "Silent on both sides, at every token." in text_of(quiet)


def test_every_stored_context_has_its_button(client: TestClient, world: LiveWorld):
    firing, _, _ = shown(world, 5)
    for path in (f"/d/{SAE}/5/contexts/{firing[0]}", f"/d/{SAE}/5/contexts/{firing[0]}/text"):
        button = one(soup_of(client, path), "a.button[hx-get]")
        assert button["href"] == button["hx-get"] == f"/d/{SAE}/5/contexts/{firing[0]}/rerun"
        target = str(button["hx-select"])
        assert one(soup_of(client, str(button["href"])), target)


def test_a_context_that_the_feature_does_not_show_is_not_run(client: TestClient):
    assert client.get(f"/d/{SAE}/5/contexts/999999/rerun").status_code == 404
    answer = client.get(f"/api/v1/dictionaries/{SAE}/features/5/contexts/999999/rerun")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


def test_without_a_worker_the_page_keeps_the_stored_context_and_says_why(lonely_world: LiveWorld):
    firing, _, _ = shown(lonely_world, 5)
    with TestClient(create_app(app_settings(lonely_world)), base_url=BASE) as client:
        soup = soup_of(client, f"/d/{SAE}/5/contexts/{firing[0]}/rerun", status=503)
        assert "No worker is up" in text_of(one(soup, "#error"))
        assert soup.select("p.whole mark")
        with open_door(lonely_world):
            assert rerun(client, 5, firing[0])["agrees"] is True


def test_a_changed_number_is_found_and_marked(lonely_world: LiveWorld):
    ledger = lonely_world.context.ledger
    with ledger.reading() as reader:
        before = reader.feature(SAE, 7)
        harvest_id = reader.dictionary(SAE).harvest.id
    wrong = before.top.activations.copy()
    wrong[0] *= 0.9
    with ledger.writing() as writer:
        writer.write_features(harvest_id, SAE, [replace(before, top=replace(before.top, activations=wrong))])
    context = int(before.top.context_ids[0])
    with open_door(lonely_world), TestClient(create_app(app_settings(lonely_world)), base_url=BASE) as client:
        found = rerun(client, 7, context)
        assert found["agrees"] is False
        soup = soup_of(client, f"/d/{SAE}/7/contexts/{context}/rerun")
        assert text_of(one(soup, ".rerun__verdict h2")) == "Live differs from what is stored"
        assert "beyond the tolerance" in text_of(one(soup, ".rerun__wrong"))
    with ledger.writing() as writer:
        writer.write_features(harvest_id, SAE, [before])


def test_a_harvest_that_another_model_made_is_said_on_the_page(lonely_world: LiveWorld):
    ledger = lonely_world.context.ledger
    firing, _, _ = shown(lonely_world, 5)
    with ledger.reading() as reader:
        harvest = reader.dictionary(SAE).harvest
    with ledger.writing() as writer:
        writer.add_provenance(harvest.id, {"model": {"weights_hash": "another"}})
    with open_door(lonely_world), TestClient(create_app(app_settings(lonely_world)), base_url=BASE) as client:
        soup = soup_of(client, f"/d/{SAE}/5/contexts/{firing[0]}/rerun")
        assert text_of(one(soup, ".rerun__verdict h2")) == "Another model than the harvest's"
        found = rerun(client, 5, firing[0])
        assert (found["agrees"], found["other_makings"]) == (None, ["model"])
    with ledger.writing() as writer:
        writer.add_provenance(harvest.id, {"model": harvest.provenance["model"]})
