"""Programs label as people do."""

import json

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.app.labelled import API
from tests.app.people import client_of


@pytest.fixture
def kim(labelling_app: FastAPI) -> TestClient:
    return client_of(labelling_app, "kim")


@pytest.fixture
def root(labelling_app: FastAPI) -> TestClient:
    return client_of(labelling_app, "root", "admin")


def test_a_label_goes_through_its_life(kim: TestClient, root: TestClient):
    body = {"text": "cats", "note": "n", "tags": ["Pet"], "confidence": 70}
    made = kim.post(API, json=body)
    assert made.status_code == 201
    label = made.json()
    assert {name: label[name] for name in body} == {**body, "tags": ["pet"]}
    assert (label["author"], label["version"], label["accepted"]) == ({"name": "kim", "kind": "person"}, 1, True)
    here = f"/api/v1/labels/{label['key']}"
    assert kim.put(f"{here}/vote", json={"value": 1}).json()["votes"] == {"for": 1, "against": 0, "net": 1, "mine": 1}
    edited = kim.patch(here, json={"text": "dogs", "version": 1}).json()
    assert (edited["text"], edited["version"], edited["confidence"]) == ("dogs", 2, None)
    conflict = root.patch(here, json={"text": "birds", "version": 1})
    assert (conflict.status_code, conflict.json()["error"]["code"]) == (409, "label_changed")
    assert conflict.json()["current"]["text"] == "dogs"
    assert kim.post(f"{here}/revert", json={"to": 1, "version": 2}).json()["text"] == "cats"
    assert kim.post(f"{here}/revert", json={"to": 1, "version": 2}).json()["version"] == 3
    assert root.post(f"{here}/choose").json()["chosen"]
    assert not root.post(f"{here}/unchoose").json()["chosen"]
    assert root.post(f"{here}/hide", json={"reason": "why"}).json()["hidden"]
    assert kim.get(here).status_code == 404 and root.get(here).json()["history"][-1]["reason"] == "why"
    assert root.post(f"{here}/show").json()["accepted"]
    acts = [change["act"] for change in kim.get(here).json()["history"]]
    assert acts == ["proposed", "voted", "edited", "reverted", "chosen", "unchosen", "hidden", "shown"]


def test_lists_have_their_twins(kim: TestClient, root: TestClient):
    kim.post(API, json={"text": "cats"})
    root.post(API, json={"text": "dogs"})
    recent = kim.get("/api/v1/labels?limit=1").json()
    assert recent["activity"][0]["label"]["text"] == "dogs"
    older = kim.get(f"/api/v1/labels?after={recent['next']}").json()
    assert [each["label"]["text"] for each in older["activity"]] == ["cats"] and older["next"] is None
    assert [each["text"] for each in kim.get("/api/v1/labels?view=mine").json()["labels"]] == ["cats"]
    assert kim.get("/api/v1/labels?view=disputed").json()["features"][0]["labels"] == 2
    unlabelled = kim.get("/api/v1/labels?view=unlabelled").json()
    assert unlabelled["dictionary"] == "tiny-mid" and 0 not in [each["index"] for each in unlabelled["features"]]
    coverage = {each["dictionary"]: each for each in kim.get("/api/v1/labels/coverage").json()["dictionaries"]}
    assert (coverage["tiny-mid"]["labelled"], coverage["not-yet"]["labelled"]) == (1, 0)
    assert [each["text"] for each in kim.get(API).json()["labels"]] == ["cats", "dogs"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"text": ""}, 422),
        ({"text": "x" * 501}, 422),
        ({"text": "x", "note": "y" * 10_000}, 422),
        ({"text": "x", "confidence": 101}, 422),
        ({"text": "x", "confidence": "sure"}, 422),
        ({"text": "x", "colour": "red"}, 422),
        ({"text": "x", "harvest": "gone"}, 404),
        ({"text": "\ud800"}, 422),
        ({"text": "x", "harvest": "a\x00"}, 422),
        ({"text": "x", "harvest": "\ud800"}, 422),
        ({"text": "a\x00b"}, 201),
    ],
)
def test_what_cannot_be_taken_is_refused_in_words(kim: TestClient, body: dict, status: int):
    answer = kim.post(API, content=json.dumps(body), headers={"content-type": "application/json"})
    assert answer.status_code == status
    if status > 400:
        assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "path", ["/labels/%00", "/api/v1/labels/%00", "/api/v1/labels?dictionary=%00", "/d/%00/0/labels"]
)
def test_a_nul_character_in_an_address_is_no_failure_of_ours(kim: TestClient, path: str):
    assert kim.get(path).status_code in (400, 404)


def test_a_vote_is_one_of_three(kim: TestClient):
    key = kim.post(API, json={"text": "cats"}).json()["key"]
    for value in (2, "1", None, 10**30):
        assert kim.put(f"/api/v1/labels/{key}/vote", json={"value": value}).status_code == 422
    for body in ({"to": 10**30, "version": 1}, {"to": 1, "version": 10**30}):
        assert kim.post(f"/api/v1/labels/{key}/revert", json=body).status_code == 422


def test_the_description_names_the_routes(kim: TestClient):
    paths = kim.get("/api/v1/openapi.json").json()["paths"]
    assert {"get", "post"} == set(paths["/api/v1/dictionaries/{dictionary}/features/{index}/labels"])
    assert {"get", "patch"} == set(paths["/api/v1/labels/{key}"])
    assert {"put"} == set(paths["/api/v1/labels/{key}/vote"])
