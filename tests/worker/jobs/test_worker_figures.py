"""What a worker says of itself as it works: figures over a real socket, lines that name job, shard and worker."""

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from catalog.records import DictionaryRecord
from tests.tiny import TinyWorld
from tests.worker.jobs.worker_process import wait_for_end, wait_until, worker_process
from worker.harvest.plan import HarvestPlan
from worker.jobs.context import JobContext
from worker.jobs.durable import migrate_jobs_database
from worker.jobs.errors import JobError
from worker.jobs.figures import WINDOW_SECONDS, Figures
from worker.jobs.metrics_door import Remembered, listen
from worker.jobs.requests import HarvestRequest, to_json
from worker.jobs.settings import worker_settings
from worker.jobs.submit import submit

Samples = dict[tuple[str, tuple[str, ...]], float]


@contextmanager
def logging_worker(context: JobContext) -> Iterator[list[dict]]:
    """A worker that answers Prometheus on a free port, and the lines of its log so far."""
    lines: list[dict] = []
    with worker_process(
        context.settings, FEATURESCOPE_WORKER_METRICS_PORT="0", FEATURESCOPE_LOG="json", CUDA_VISIBLE_DEVICES=""
    ) as process:
        assert process.stdout is not None
        reader = threading.Thread(target=lambda: lines.extend(map(json.loads, process.stdout)), daemon=True)
        reader.start()
        yield lines
        process.terminate()
        reader.join(timeout=60)


def address_of(lines: list[dict]) -> str:
    wait_until(lambda: any("address" in line for line in lines), "the worker says where its figures are")
    return next(line["address"] for line in lines if "address" in line)


def scrape(address: str) -> Samples:
    """Samples by name and values of labels."""
    with urllib.request.urlopen(address, timeout=30) as answer:
        text = answer.read().decode()
    families = text_string_to_metric_families(text)
    return {(each.name, tuple(each.labels.values())): each.value for family in families for each in family.samples}


@pytest.mark.slow
def test_a_worker_tells_what_it_did_over_http_and_in_its_log(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    migrate_jobs_database(context.settings)
    asked = HarvestRequest(("tiny-sae",), str(tiny_world.corpus), shard_tokens=250)
    with logging_worker(context) as lines:
        address = address_of(lines)
        before = scrape(address)
        job_id = submit(context.settings, context.ledger, "harvest", to_json(asked), title="told")
        assert wait_for_end(context.ledger, job_id) == "complete"
        wait_until(lambda: ("featurescope_jobs_ended_total", ("complete",)) in scrape(address), "the end is counted")
        after = scrape(address)
    with context.ledger.reading() as reader:
        harvest = reader.harvests()[0]
    plan = HarvestPlan.from_json(harvest.plan["harvest"])

    assert address.startswith("http://127.0.0.1:")
    assert before["featurescope_tokens_total", ("harvest",)] == 0
    assert after["featurescope_tokens_total", ("harvest",)] == plan.corpus_tokens
    assert after["featurescope_tokens_per_second", ("harvest",)] == plan.corpus_tokens / WINDOW_SECONDS
    assert after["featurescope_shards_done_total", ()] == plan.n_shards > 1
    assert after["featurescope_queue_length", ("device",)] == after["featurescope_queue_length", ("parents",)] == 0
    assert after["process_resident_memory_bytes", ()] > 1e6
    assert not [name for name, _ in after if "gpu" in name or name == "featurescope_stage"]
    executor = next(labels for name, labels in after if name == "featurescope_build_info")
    assert {line["executor"] for line in lines} <= set(executor)

    shards = [line for line in lines if line["message"].startswith("The shard is done")]
    assert sorted(line["shard"] for line in shards) == list(range(plan.n_shards))
    assert {(line["job"], line["harvest"]) for line in shards} == {(job_id, harvest.id)}
    told = [line for line in lines if line["logger"] == "worker.jobs.edge"]
    assert [(line["job"], line.get("status")) for line in told] == [(job_id, None), (job_id, "complete")]
    assert not [line for line in lines if line["process"] != "worker"]


def test_rates_forget_what_is_past_and_a_resumed_work_counts_only_its_own():
    now = [0.0]
    figures = Figures(clock=lambda: now[0])
    fresh, resumed = figures.following("harvest", since=0), figures.following("train")
    fresh(100)
    resumed(5_000)
    now[0] = WINDOW_SECONDS / 2
    fresh(300)
    resumed(5_040)
    assert figures.tokens_per_second() == {"harvest": 300 / WINDOW_SECONDS, "train": 40 / WINDOW_SECONDS}
    now[0] = WINDOW_SECONDS * 1.25
    assert figures.tokens_per_second()["harvest"] == 200 / WINDOW_SECONDS
    now[0] = WINDOW_SECONDS * 3
    assert figures.tokens_per_second() == {"harvest": 0, "train": 0}


def test_stages_are_those_under_way():
    figures = Figures()
    figures.at_stage("job", "Preparing")
    figures.at_stage("job", "Merging")
    with figures.doing("job-1", "Harvesting"), figures.doing("job-2", "Harvesting"):
        assert figures.stages() == {"Merging": 1, "Harvesting": 2}
    figures.over("job")
    assert not figures.stages()


def test_a_port_that_is_taken_names_the_setting():
    first = listen(Figures().registry, host="127.0.0.1", port=0)
    port = int(first.rsplit(":", 1)[1].partition("/")[0])
    with pytest.raises(JobError, match=rf"port {port}.*FEATURESCOPE_WORKER_METRICS_PORT"):
        listen(Figures().registry, host="127.0.0.1", port=port)


def test_figures_are_shown_though_the_queues_cannot_be_read(caplog: pytest.LogCaptureFixture):
    def fails() -> dict[str, int]:
        raise ConnectionError("gone")

    assert Remembered(fails, seconds=60)() == {}
    asked: list[int] = []
    lengths = Remembered(lambda: asked.append(1) or {"device": 4}, seconds=60)
    assert lengths() == lengths() == {"device": 4}
    assert len(asked) == 1


@pytest.mark.parametrize("text", ["x", "-1", "65536", "1.5"])
def test_a_metrics_port_that_is_none_is_refused(text: str):
    with pytest.raises(JobError, match="FEATURESCOPE_WORKER_METRICS_PORT"):
        worker_settings({"FEATURESCOPE_WORKER_METRICS_PORT": text})


def test_no_port_is_opened_unasked(tmp_path: Path):
    settings = worker_settings({})
    assert settings.metrics_port is None
    assert settings.metrics_host == "127.0.0.1"
