"""What every request must pass, and what every answer carries."""

import re

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.security import host_name
from tests.app.conftest import settings_for


def test_only_known_names_are_answered(client: TestClient):
    assert client.get("/healthz", headers={"host": "127.0.0.1:8000"}).status_code == 200
    refused = client.get("/healthz", headers={"host": "evil.example"})
    assert refused.status_code == 400
    assert "FEATURESCOPE_ALLOWED_HOSTS" in refused.text


def test_a_name_with_a_leading_dot_allows_its_subdomains(stored_url: str, tmp_path):
    app = create_app(settings_for(stored_url, tmp_path, allowed_hosts=(".example.org",)))
    client = TestClient(app, base_url="http://lab.example.org")
    assert client.get("/healthz").status_code == 200
    assert client.get("/healthz", headers={"host": "example.org.evil.net"}).status_code == 400


@pytest.mark.parametrize(
    ("host", "name"),
    [("A.b:80", "a.b"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("localhost", "localhost"), ("", "")],
)
def test_the_name_in_a_host_header_has_no_port(host: str, name: str):
    assert host_name(host) == name


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 405),
        ({"origin": "http://127.0.0.1"}, 405),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1"}, 405),
    ],
)
def test_writes_from_other_sites_are_refused_before_any_route(client: TestClient, headers: dict[str, str], status: int):
    assert client.post("/jobs", headers=headers).status_code == status


def test_every_answer_carries_a_strict_policy(client: TestClient):
    for path in ("/", "/d/tiny-mid/0", "/nothing", "/api/v1/dictionaries", "/static/css/base.css"):
        policy = client.get(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy


def test_only_embedded_pages_may_be_framed(client: TestClient):
    assert "frame-ancestors *" in client.get("/d/tiny-mid/0?embed").headers["content-security-policy"]
    assert "frame-ancestors 'none'" in client.get("/jobs?embed").headers["content-security-policy"]


def test_pages_hold_no_inline_script_or_style(client: TestClient):
    for path in ("/", "/d/tiny-mid", "/d/tiny-mid/0", "/jobs", "/compare?a=tiny-mid/0&b=tiny-mid/1", "/nothing"):
        text = client.get(path).text
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)


def test_static_addresses_change_with_content_and_may_be_kept(client: TestClient):
    address = re.search(r'href="(/static/css/base\.css\?v=[0-9a-f]{12})"', client.get("/").text)
    assert address
    assert "immutable" in client.get(address[1]).headers["cache-control"]
    assert "immutable" not in client.get("/static/css/base.css").headers.get("cache-control", "")


def test_no_path_leads_out_of_the_static_folder(client: TestClient):
    assert client.get("/static/../app/main.py").status_code == 404
    assert client.get("/static/%2e%2e/app/main.py").status_code == 404


def test_pages_are_compressed(client: TestClient):
    assert client.get("/d/tiny-mid/0", headers={"accept-encoding": "gzip"}).headers["content-encoding"] == "gzip"


def test_prometheus_reads_requests_by_route(client: TestClient):
    client.get("/d/tiny-mid/0")
    text = client.get("/metrics").text
    assert re.search(r'featurescope_requests_total\{route="/d/\{dictionary\}/\{index\}",status="200"\} \d', text)


def test_a_proxy_prefix_is_before_every_address(stored_url: str, tmp_path):
    app = create_app(settings_for(stored_url, tmp_path, path_prefix="/scope"))
    text = TestClient(app, base_url="http://127.0.0.1").get("/").text
    assert 'href="/scope/d/tiny-mid"' in text
    assert not re.findall(r'(?:href|src)="/(?!scope/)[^"]', text)
