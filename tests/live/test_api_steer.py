"""Steering, effects and attribution for programs: what they answer is what plain hooks and plain sums give."""

import json

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient

from tests.live.conftest import EARLY, SAE, SHORT, LiveWorld
from tests.tiny import ALWAYS, D_SAE, DEAD
from tests.worker.live.plainly import steered_logits, written

TEXT = "alpha beta"


def model_of(world: LiveWorld):
    return world.context.models.get(str(world.files.model))


def ids_of(world: LiveWorld, text: str = TEXT) -> list[int]:
    tokenizer = model_of(world).tokenizer
    return [tokenizer.bos_id, *tokenizer.encode([text])[0].tolist()]


def peak_of(world: LiveWorld, slug: str, index: int) -> float:
    with world.context.ledger.reading() as reader:
        return reader.feature(slug, index).peak


def edit(dictionary: str = SAE, feature: int = ALWAYS, mode: str = "add", value: float = 2.0) -> dict:
    return {"dictionary": dictionary, "feature": feature, "mode": mode, "value": value}


def steer(client: TestClient, **values: object) -> list[dict]:
    """The events, each with its name."""
    body = {"text": TEXT, "edits": [edit()], **values}
    with client.stream("POST", "/api/v1/live/steer", json=body) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        blocks = "".join(answer.iter_text()).strip().split("\n\n")
    events = []
    for block in blocks:
        name, data = block.split("\n")
        events.append({"event": name.removeprefix("event: "), **json.loads(data.removeprefix("data: "))})
    return events


def test_values_are_in_units_of_the_harvest_maximum_and_both_texts_those_of_plain_hooks(
    client: TestClient, world: LiveWorld
):
    feature = next(n for n in range(2, D_SAE) if peak_of(world, EARLY, n) > 0)
    edits = [edit(value=-3.0), edit(EARLY, feature, "set", 2.5), edit(SAE, 7, "remove", 9.0)]
    events = steer(client, edits=edits, new_tokens=12, temperature=0.9, seed=21)
    amounts = [-3.0 * peak_of(world, SAE, ALWAYS), 2.5 * peak_of(world, EARLY, feature), 0.0]
    assert [each["amount"] for each in events[0]["edits"]] == pytest.approx(amounts, rel=1e-6)
    sae, early = world.dictionaries[SAE], world.dictionaries[EARLY]
    changes = [
        (sae, ALWAYS, "add", amounts[0]),
        (early, feature, "set", amounts[1]),
        (sae, 7, "remove", 0.0),
    ]
    model = model_of(world)
    for side, applied in (("without", []), ("with", changes)):
        slow = written(model, ids_of(world), applied, n=12, temperature=0.9, seed=21)
        end = model.tokenizer.eos_id
        slow = slow[: slow.index(end) + 1] if end in slow else slow
        assert events[-1]["written"][side]["token_ids"] == slow
        assert [each[side]["id"] for each in events if each["event"] == "token" and each[side]] == slow


def test_texts_of_tokens_join_to_what_was_written(client: TestClient, world: LiveWorld):
    events = steer(client, new_tokens=30, seed=4)
    assert events[0]["tokens"] == ["<|endoftext|>", *TEXT]
    vocabulary = model_of(world).tokenizer.token_bytes()
    for side in ("without", "with"):
        mine = [each[side] for each in events if each["event"] == "token" and each[side]]
        raw = b"".join(vocabulary[each["id"]] for each in mine if not each["is_special"])
        streamed = "".join(each["text"] for each in mine if not each["is_special"])
        # What is no UTF-8 is spelt out in both; a character cut off at the end is in the second alone.
        assert raw.decode("utf-8", "backslashreplace").startswith(streamed)
        assert events[-1]["written"][side]["text"].lower().startswith(streamed.lower())


def test_one_object_holds_what_the_events_hold(client: TestClient):
    events = steer(client, new_tokens=5, seed=9)
    body = {"text": TEXT, "edits": [edit()], "new_tokens": 5, "seed": 9, "stream": False}
    whole = client.post("/api/v1/live/steer", json=body).json()
    assert whole["tokens"] == [
        {name: value for name, value in each.items() if name != "event"} for each in events if each["event"] == "token"
    ]
    for each in events:
        if each["event"] != "token":
            assert whole[each["event"]] == {name: value for name, value in each.items() if name != "event"}


def test_the_tokens_that_gained_and_lost_most_are_told(client: TestClient, world: LiveWorld):
    after = next(each for each in steer(client, new_tokens=1) if each["event"] == "next")
    amount = 2.0 * peak_of(world, SAE, ALWAYS)
    model, sae = model_of(world), world.dictionaries[SAE]
    before, with_ = (
        steered_logits(model, ids_of(world), each)[-1].double().softmax(-1).numpy()
        for each in ([], [(sae, ALWAYS, "add", amount)])
    )
    gain = with_ - before
    assert [row["id"] for row in after["gained"]] == np.argsort(-gain)[: len(after["gained"])].tolist()
    assert [row["id"] for row in after["lost"]] == np.argsort(gain)[: len(after["lost"])].tolist()
    assert after["gained"][0]["with"] == pytest.approx(float(np.log(with_[after["gained"][0]["id"]])), abs=1e-3)


@pytest.mark.parametrize(
    ("values", "status", "words"),
    [
        ({"edits": []}, 422, "edits"),
        ({"edits": [edit(mode="double")]}, 422, "edits.0.mode"),
        ({"edits": [edit(dictionary="tiny-see")]}, 404, "tiny-sae"),
        ({"edits": [edit(feature=D_SAE)]}, 404, f"features 0 to {D_SAE - 1}"),
        ({"edits": [edit(feature=DEAD)]}, 422, f"Feature {SAE}/{DEAD} never fired in its harvest"),
        ({"edits": [edit(SHORT)]}, 404, SHORT),
        ({"edits": [edit(), edit(mode="remove")]}, 422, "edited more than once"),
        ({"edits": [edit(), edit(SHORT, mode="remove")]}, 422, "first tokens differ"),
        ({"new_tokens": 10_000}, 413, "10,000 new tokens; the limit is 512"),
        ({"text": "a" * 70}, 413, "model 'model' takes 64 in all"),
        ({"temperature": -1}, 422, "temperature"),
        ({"token_ids": [1]}, 422, "either text or token_ids"),
    ],
)
def test_what_cannot_be_steered_says_why(client: TestClient, values: dict, status: int, words: str):
    response = client.post("/api/v1/live/steer", json={"text": TEXT, "edits": [edit()], **values})
    assert response.status_code == status, response.text
    assert words in response.json()["error"]["message"]


def test_a_dead_feature_and_one_without_a_harvest_can_be_removed(client: TestClient):
    for slug, feature in ((SAE, DEAD), (SHORT, ALWAYS)):
        events = steer(client, edits=[edit(slug, feature, "remove")], new_tokens=3)
        assert events[-1]["event"] == "end"


def test_effects_are_those_of_plain_hooks_strongest_first_chosen_by_share_of_the_maximum(
    client: TestClient, world: LiveWorld
):
    text, model = "alpha beta gamma", model_of(world)
    token_ids = ids_of(world, text)
    body = {"text": text, "dictionaries": [SAE, EARLY], "strongest": 6, "position": 9}
    answer = client.post("/api/v1/live/effects", json=body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    heats = {}
    for slug in (SAE, EARLY):
        dictionary = world.dictionaries[slug]
        acts = model.activations(torch.tensor([token_ids]), (dictionary.hook_name,))[dictionary.hook_name][0]
        peaks = dictionary.encode(acts)[1:9].max(0).values.tolist()
        heats |= {(slug, n): peak / peak_of(world, slug, n) for n, peak in enumerate(peaks) if peak > 0}
    strongest = sorted(heats, key=lambda each: -heats[each])[:6]
    assert {(each["dictionary"], each["feature"]) for each in found["effects"]} == set(strongest)
    assert found["n_firing"] == len(heats)
    plain = steered_logits(model, token_ids, []).log_softmax(-1)
    for each in found["effects"]:
        assert each["heat"] == pytest.approx(heats[each["dictionary"], each["feature"]], rel=1e-3)
        changes = [(world.dictionaries[each["dictionary"]], each["feature"], "remove", 0.0)]
        gone = steered_logits(model, token_ids, changes).log_softmax(-1)
        assert each["before"] == pytest.approx(float(plain[8, token_ids[9]]), abs=1e-4)
        assert each["after"] == pytest.approx(float(gone[8, token_ids[9]]), abs=1e-4)
        assert each["change"] == pytest.approx(each["after"] - each["before"], abs=1e-4)
    changes = [each["change"] for each in found["effects"]]
    assert changes == sorted(changes)
    assert len(found["log_probabilities"]) == len(token_ids) - 1


def test_features_may_be_named_and_silent_ones_do_nothing(client: TestClient):
    features = [{"dictionary": SAE, "feature": n} for n in (DEAD, ALWAYS)]
    found = client.post("/api/v1/live/effects", json={"text": TEXT, "features": features}).json()
    by_feature = {each["feature"]: each for each in found["effects"]}
    assert by_feature[DEAD]["change"] == pytest.approx(0, abs=1e-5)
    assert abs(by_feature[ALWAYS]["change"]) > 1e-4
    assert (found["n_firing"], found["position"]) == (1, len(TEXT))


def test_attribution_sums_to_the_models_logits(client: TestClient, world: LiveWorld):
    body = {"text": TEXT, "dictionary": SAE, "position": 4, "targets": [9]}
    found = client.post("/api/v1/live/attribution", json=body).json()
    logits = model_of(world).logits(torch.tensor([ids_of(world)]))[0, 4]
    parts = [*found["features"], *found["parts"].values()]
    assert found["targets"][0]["id"] == found["following"] == ids_of(world)[5]
    for at, target in enumerate(found["targets"]):
        assert target["logit"] == pytest.approx(float(logits[target["id"]]), abs=1e-3)
        assert sum(part["on_targets"][at] for part in parts) == pytest.approx(target["logit"], abs=1e-3)
    assert sum(part["mean"] for part in parts) == pytest.approx(found["mean_logit"], abs=1e-3)
    last = client.post("/api/v1/live/attribution", json={"text": TEXT, "dictionary": SAE}).json()
    assert (last["position"], last["following"]) == (len(TEXT) - 1, ids_of(world)[-1])


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("effects", {"text": "a"}, 422, "either features or dictionaries"),
        ("effects", {"text": "", "dictionaries": [SAE]}, 422, "nothing follows"),
        ("effects", {"text": "ab", "dictionaries": [SAE], "position": 3}, 422, "there is no token 3"),
        ("effects", {"text": "ab", "dictionaries": ["gone"]}, 404, "gone"),
        ("attribution", {"text": "ab", "dictionary": SAE, "position": 0}, 422, "Token 0 is one that"),
        ("attribution", {"text": "ab", "dictionary": SAE, "position": 9}, 422, "there is no token 9"),
        ("attribution", {"text": "ab"}, 422, "dictionary"),
    ],
)
def test_what_cannot_be_taken_apart_says_why(client: TestClient, path: str, body: dict, status: int, words: str):
    response = client.post(f"/api/v1/live/{path}", json=body)
    assert response.status_code == status, response.text
    assert words in response.json()["error"]["message"]


def test_the_description_names_the_bodies(client: TestClient):
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    for path, key in (("steer", "edits"), ("effects", "strongest"), ("attribution", "targets")):
        schema = paths[f"/api/v1/live/{path}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert key in schema["properties"]
