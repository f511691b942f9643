"""The app's figures, parsed as Prometheus parses them: requests by route, jobs by status, workers, the catalog."""

import socket

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from app.main import create_app
from catalog.engine import make_engine, session_scope
from catalog.revision import database_revision, migrate
from catalog.writer import CatalogWriter
from tests.app.conftest import BASE, settings_for
from tests.app.stored import job

Samples = dict[tuple[str, tuple[str, ...]], float]


def samples_of(client: TestClient) -> Samples:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.text)
    return {(each.name, tuple(each.labels.values())): each.value for family in families for each in family.samples}


def test_jobs_are_counted_by_status_and_their_rates_added_up(database_url: str, tmp_path):
    engine = make_engine(database_url)
    migrate(engine)
    with session_scope(engine, write=True) as session:
        writer = CatalogWriter(session)
        for number, changes in enumerate(
            ({}, {"rate": 500.0}, {"unit": "shards"}, {"status": "queued"}, {"status": "failed", "rate": 9.0})
        ):
            writer.save_job(job(id=str(number), **changes))
    with TestClient(create_app(settings_for(database_url, tmp_path)), base_url=BASE) as client:
        samples = samples_of(client)
        revision = database_revision(engine)
    engine.dispose()
    statuses = {labels[0]: value for (name, labels), value in samples.items() if name == "featurescope_jobs"}
    assert statuses == {"running": 3, "queued": 1, "failed": 1, "paused": 0, "complete": 0, "cancelled": 0}
    assert samples["featurescope_queue_length", ()] == 1
    assert samples["featurescope_tokens_per_second", ()] == 12_500 + 500
    assert samples["featurescope_workers_alive", ()] == 0
    assert samples["featurescope_catalog_reachable", ()] == 1
    assert [labels for name, labels in samples if name == "featurescope_build_info" and revision in labels]
    assert samples["process_resident_memory_bytes", ()] > 1e6


def test_latency_is_told_by_route_with_no_label_from_users(client: TestClient):
    for index in range(3):
        client.get(f"/d/tiny-mid/{index}")
    client.get("/nowhere/at/all/1")
    client.get("/", headers={"host": "evil.example"})
    samples = samples_of(client)
    assert samples["featurescope_request_seconds_count", ("/d/{dictionary}/{index}",)] >= 3
    assert samples["featurescope_requests_total", ("unmatched", "400")] >= 1
    assert not [labels for _, labels in samples if any("nowhere" in label or "evil" in label for label in labels)]


def test_a_catalog_that_is_away_is_a_figure_and_no_error(tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"postgresql://nobody@127.0.0.1:{closed.getsockname()[1]}/none"
        with TestClient(create_app(settings_for(url, tmp_path)), base_url=BASE) as client:
            samples = samples_of(client)
            assert client.get("/healthz").status_code == 503
    assert samples["featurescope_catalog_reachable", ()] == 0
    assert not [name for name, _ in samples if name in ("featurescope_jobs", "featurescope_workers_alive")]


def test_a_catalog_without_tables_is_not_reachable(database_url: str, tmp_path):
    with TestClient(create_app(settings_for(database_url, tmp_path)), base_url=BASE) as client:
        assert samples_of(client)["featurescope_catalog_reachable", ()] == 0
