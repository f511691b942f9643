"""The worker's door for Prometheus: off until a port is named, and on this machine alone until a host is."""

import logging
import platform
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version

import torch
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric

from catalog.log_lines import told
from worker.jobs import durable
from worker.jobs.errors import JobError
from worker.jobs.figures import Figures
from worker.jobs.settings import WorkerSettings
from worker.lm.placement import choose_device

log = logging.getLogger(__name__)
QUEUES_EVERY_SECONDS = 5.0
QueueLengths = Callable[[], Mapping[str, int]]


def open_metrics_door(settings: WorkerSettings, figures: Figures, executor_id: str) -> None:
    """Answer Prometheus where the settings say so. Raises JobError where the port cannot be had."""
    if settings.metrics_port is None:
        return
    queues = Remembered(durable.queue_lengths, seconds=QUEUES_EVERY_SECONDS)
    device = str(choose_device(settings.device))
    figures.registry.register(WorkerInfo(executor_id=executor_id, device=device, queues=queues))
    address = listen(figures.registry, host=settings.metrics_host, port=settings.metrics_port)
    log.info("The worker's figures are at %s.", address, extra=told(address=address))


def listen(registry: CollectorRegistry, *, host: str, port: int) -> str:
    """Answer Prometheus from a thread of this process. Returns the address; port 0 takes a free one.

    Raises JobError where the port cannot be had.
    """
    try:
        server, _ = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise JobError(
            f"The worker's figures cannot be shown on {host} port {port}: {error.strerror or error}. Every worker of a "
            "machine needs a port of its own: set FEATURESCOPE_WORKER_METRICS_PORT to a free one."
        ) from error
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{server.server_port}/metrics"


class WorkerInfo:
    """Who the worker is, and how much waits for it and the others. queues: asked at each scrape; {} when unknown."""

    def __init__(self, *, executor_id: str, device: str, queues: QueueLengths) -> None:
        self._labels = {
            "version": version("featurescope"),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "executor": executor_id,
            "device": device,
        }
        self._queues = queues

    def collect(self) -> Iterable[Metric]:
        """The build and the lengths of the queues."""
        build = InfoMetricFamily("featurescope_build", "The version of this worker and what it runs on")
        build.add_metric([], self._labels)
        queues = GaugeMetricFamily("featurescope_queue_length", "Pieces of work that wait", labels=["queue"])
        for queue, length in self._queues().items():
            queues.add_metric([queue], length)
        yield from (build, queues)


class Remembered:
    """Lengths of queues, asked for now and then, however often somebody looks; {} where they cannot be had."""

    def __init__(self, ask: QueueLengths, *, seconds: float) -> None:
        self._ask = ask
        self._seconds = seconds
        self._lock = threading.Lock()
        self._until = 0.0
        self._known: Mapping[str, int] = {}

    def __call__(self) -> Mapping[str, int]:
        with self._lock:
            if time.monotonic() >= self._until:
                self._known = self._asked()
                self._until = time.monotonic() + self._seconds
            return self._known

    def _asked(self) -> Mapping[str, int]:
        try:
            return self._ask()
        except Exception:
            log.warning("The lengths of the queues cannot be read.", exc_info=True)
            return {}
