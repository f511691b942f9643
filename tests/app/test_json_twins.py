"""JSON twins: the shapes programs rely on, and the same numbers as the pages."""

import numpy as np
import pytest
from fastapi.testclient import TestClient

from catalog.grid import bin_edges
from tests.app.synthetic import D_SAE, DEAD, SyntheticHarvest

FEATURE = "/api/v1/dictionaries/tiny-mid/features/0"


@pytest.fixture(scope="module")
def feature(client: TestClient) -> dict:
    return client.get(FEATURE).json()


def test_dictionaries_have_their_contracted_fields(client: TestClient):
    dictionaries = client.get("/api/v1/dictionaries").json()["dictionaries"]
    for each in dictionaries:
        assert {"name", "slug", "hash", "model", "hook_name", "kind", "d_in", "d_sae", "harvest"} <= set(each)
    harvests = {each["slug"]: each["harvest"] for each in dictionaries}
    assert harvests["not-yet"] is None
    assert {"id", "status", "tokens"} <= set(harvests["tiny-mid"])


def test_features_page_through_their_cursors(client: TestClient, harvested: SyntheticHarvest):
    seen, after = [], ""
    while after is not None:
        query = f"sort=density&order=desc&limit=9&after={after}"
        answer = client.get(f"/api/v1/dictionaries/tiny-mid/features?{query}").json()
        seen += answer["features"]
        after = answer["next"]
    assert sorted(each["index"] for each in seen) == list(range(D_SAE))
    for each in seen:
        fired = harvested.features[each["index"]].tokens_fired
        assert each["density"] == pytest.approx(fired / harvested.harvest.tokens)
        assert {"index", "density", "peak", "label", "top_token"} <= set(each)


def test_a_feature_has_its_contracted_fields(feature: dict):
    names = {"index", "counts", "histogram", "top_contexts", "bands", "controls", "promoted", "suppressed"}
    assert names | {"token_statistics", "neighbours", "coactivation", "labels", "provenance"} <= set(feature)


def test_the_histogram_holds_every_firing_token(feature: dict, harvested: SyntheticHarvest):
    histogram = feature["histogram"]
    assert len(histogram["edges"]) == len(histogram["counts"]) + 1
    assert sum(histogram["counts"]) == feature["counts"]["tokens_fired"] == harvested.features[0].tokens_fired
    first = harvested.features[0].histogram_bins[0]
    assert histogram["edges"][0] == pytest.approx(bin_edges()[first], rel=1e-6)


def test_contexts_hold_the_activations_that_were_harvested(feature: dict, harvested: SyntheticHarvest):
    for context in feature["top_contexts"]:
        want = harvested.activations[context["context"], :, 0]
        dense = np.zeros_like(want)
        for position, value in context["activations"]:
            dense[position] = value
        np.testing.assert_allclose(dense, want, atol=harvested.features[0].peak * 1e-3)
        assert context["peak_position"] == int(want.argmax())
        assert len(context["tokens"]) == len(context["token_ids"])


def test_token_text_is_the_text_of_the_document(feature: dict):
    text = "".join(feature["top_contexts"][0]["tokens"])
    assert " the" in text and "↵" not in text


def test_near_misses_say_what_they_are_near_to(client: TestClient):
    controls = client.get("/api/v1/dictionaries/tiny-mid/features/16").json()["controls"]
    reasons = {control["reason"]: control["related"] for control in controls}
    assert set(reasons) <= {"hash", "near_miss_token", "near_miss_feature"}
    assert reasons["near_miss_feature"] == 5


def test_no_reserve_context_is_told(feature: dict, harvested: SyntheticHarvest):
    record = harvested.features[0]
    told = {context["context"] for context in feature["top_contexts"] + feature["controls"]}
    told |= {context["context"] for band in feature["bands"]["bands"] for context in band["contexts"]}
    secret = set(record.reserve.contexts.context_ids.tolist()) - set(record.top.context_ids.tolist())
    assert secret and not secret & told
    assert "reserve" not in feature


def test_a_dead_feature_has_empty_lists(client: TestClient):
    dead = client.get(f"/api/v1/dictionaries/tiny-mid/features/{DEAD[0]}").json()
    assert dead["histogram"] == {"edges": [], "counts": []}
    assert dead["top_contexts"] == []
    assert dead["counts"]["density"] == 0
    assert dead["counts"]["density_below"] == pytest.approx(3 / dead["counts"]["tokens"])


def test_provenance_is_enough_to_do_it_again(feature: dict):
    provenance = feature["provenance"]
    assert provenance["dictionary"]["conventions"]["n_ctx"] == 64
    assert provenance["harvest"]["seed"] == 0
    assert provenance["harvest"]["plan"] == {"seed": 0}


def test_a_context_has_its_twin(client: TestClient, feature: dict):
    shown = feature["top_contexts"][0]
    assert client.get(f"{FEATURE}/contexts/{shown['context']}").json() == shown


def test_the_other_pages_have_twins(client: TestClient):
    assert client.get("/api/v1/jobs").json()["jobs"][0]["status"] in ("running", "failed")
    assert client.get("/api/v1/models").json()["models"][0]["slug"] == "tiny"
    assert client.get("/api/v1/dictionaries/tiny-mid").json()["summary"]["n_dead"] == len(DEAD)
    both = client.get("/api/v1/compare?a=tiny-mid/0&b=tiny-mid/1").json()
    assert (both["a"]["index"], both["b"]["index"]) == (0, 1)


def test_openapi_describes_every_address(client: TestClient):
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    assert all(path.startswith("/api/v1/") for path in paths)
    assert len(paths) >= 24
    for described in (each for methods in paths.values() for each in methods.values()):
        assert described["summary"] and described["description"]
