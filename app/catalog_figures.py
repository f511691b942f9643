"""What the catalog says about jobs and workers, as Prometheus reads it: asked for at each scrape, in a few queries.

Every process of the app gives the same figures here, for they are the catalog's; requests are each process's own.
"""

import logging
import platform
from collections.abc import Iterable
from typing import get_args

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from app.version import VERSION
from catalog.engine import session_scope
from catalog.errors import CatalogError
from catalog.reader import CatalogReader
from catalog.records import JobStatus
from catalog.revision import database_revision

log = logging.getLogger(__name__)


class CatalogFigures:
    """A collector over one catalog. One that cannot be reached is a figure too."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is shows when it is asked for, and not at the start."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The figures now."""
        reachable = GaugeMetricFamily("featurescope_catalog_reachable", "1 where the catalog answers, else 0")
        revision, jobs = None, []
        try:
            revision = database_revision(self._engine)
            jobs = self._jobs()
        except (CatalogError, SQLAlchemyError) as error:
            log.warning("The catalog cannot be asked for its figures: %s", error)
        reachable.add_metric([], float(bool(jobs)))
        build = InfoMetricFamily("featurescope_build", "The version of this app and the revision of its catalog")
        build.add_metric([], {"version": VERSION, "python": platform.python_version(), "revision": revision or ""})
        yield from (build, reachable, *jobs)

    def _jobs(self) -> list[Metric]:
        with session_scope(self._engine) as session:
            reader = CatalogReader(session)
            counts, rates, workers = reader.job_counts(), reader.job_rates(), reader.workers()
        by_status = GaugeMetricFamily("featurescope_jobs", "Jobs by status", labels=["status"])
        for status in (*get_args(JobStatus), *sorted(counts.keys() - set(get_args(JobStatus)))):
            by_status.add_metric([status], counts.get(status, 0))
        waiting = GaugeMetricFamily("featurescope_queue_length", "Jobs that wait for a worker")
        waiting.add_metric([], counts.get("queued", 0))
        alive = GaugeMetricFamily("featurescope_workers_alive", "Workers heard of lately")
        alive.add_metric([], sum(worker.alive for worker in workers))
        tokens = GaugeMetricFamily("featurescope_tokens_per_second", "Of all running jobs together, on all workers")
        tokens.add_metric([], rates.get("tokens", 0.0))
        return [by_status, waiting, alive, tokens]
