"""Errors name what is wrong and the nearest way out, as a page and as JSON."""

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from tests.app.conftest import BASE, settings_for
from tests.app.reading import links_of, one, soup_of, text_of
from tests.app.synthetic import D_SAE


def test_an_unknown_dictionary_offers_the_nearest(client: TestClient):
    error = one(soup_of(client, "/d/tinymid", status=404), "#error")
    assert "'tinymid'" in text_of(error)
    assert "/d/tiny-mid" in links_of(error)


@pytest.mark.parametrize("index", [D_SAE, 30000])
def test_a_feature_beyond_the_end_names_the_range(client: TestClient, index: int):
    error = one(soup_of(client, f"/d/tiny-mid/{index}", status=404), "#error")
    assert f"has features 0 to {D_SAE - 1}; there is no feature {index}." in text_of(error)
    assert f"/d/tiny-mid/{D_SAE - 1}" in links_of(error)


def test_a_feature_of_a_dictionary_never_harvested_says_so(client: TestClient):
    text = text_of(soup_of(client, "/d/not-yet/3", status=404))
    assert "featurescope harvest not-yet" in text


def test_an_unknown_page_is_named(client: TestClient):
    assert "'/nothing/here'" in text_of(soup_of(client, "/nothing/here", status=404))


def test_an_index_that_is_no_number_is_explained(client: TestClient):
    assert client.get("/d/tiny-mid/abc").status_code == 422
    assert client.get("/d/tiny-mid/0?x=cubic").status_code == 422


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v1/nothing", 404, "not_found"),
        ("/api/v1/dictionaries/tinymid/features", 404, "not_found"),
        ("/api/v1/dictionaries/tiny-mid/features/999", 404, "not_found"),
        ("/api/v1/dictionaries/tiny-mid/features?sort=colour", 422, "invalid"),
        ("/api/v1/dictionaries/tiny-mid/features?after=!", 400, "bad_query"),
        ("/api/v1/compare?a=x&b=y", 400, "bad_query"),
    ],
)
def test_programs_get_the_error_object(client: TestClient, path: str, status: int, code: str):
    response = client.get(path)
    assert response.status_code == status
    error = response.json()["error"]
    assert set(error) == {"code", "message", "hint"}
    assert error["code"] == code
    assert error["message"].endswith((".", "?"))


def test_a_catalog_without_tables_says_how_to_make_them(database_url: str, tmp_path):
    client = TestClient(create_app(settings_for(database_url, tmp_path)), base_url=BASE)
    assert "make migrate" in text_of(soup_of(client, "/", status=503))
    assert client.get("/healthz").status_code == 503


def test_an_unexpected_failure_is_numbered_and_tells_nothing(stored_url: str, tmp_path):
    app = create_app(settings_for(stored_url, tmp_path))

    @app.get("/breaks")
    def breaks() -> None:
        raise RuntimeError("secret detail")

    client = TestClient(app, base_url=BASE, raise_server_exceptions=False)
    page = text_of(soup_of(client, "/breaks", status=500))
    assert "in the log under request" in page
    assert "secret" not in page


def test_hostile_addresses_are_escaped(client: TestClient):
    assert "<script>" not in client.get("/d/<script>alert(1)</script>").text.split("</head>")[1]
