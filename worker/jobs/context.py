"""What every job is handed: the settings, the catalog, and the models this worker has loaded."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from catalog.log_lines import fields
from worker.jobs.at_work import AtWork
from worker.jobs.figures import Figures
from worker.jobs.latest import Latest
from worker.jobs.ledger import Ledger
from worker.jobs.models import KEPT, ModelCache
from worker.jobs.progress import Pace, Progress, Stages
from worker.jobs.returns import Returns
from worker.jobs.settings import WorkerSettings
from worker.jobs.store import Store, open_store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobContext:
    """The world of a job, made once by the process it runs in.

    inputs: what the harvest under way reads. weights: what the weights of its dictionaries say.
    paces: of the harvests that this process has shards of, by id.
    returns: what this process puts down for another to take up.
    figures: what this process has done so far, for Prometheus.
    at_work: the workflows that this process has in hand.
    shadow: a store that is used in place of the settings'. heavy: held by work that keeps a limit of memory.
    """

    settings: WorkerSettings
    ledger: Ledger
    models: ModelCache
    inputs: Latest = field(default_factory=Latest)
    figures: Figures = field(default_factory=Figures)
    weights: Latest = field(default_factory=Latest)
    at_work: AtWork = field(default_factory=AtWork)
    paces: dict[str, Pace] = field(default_factory=dict)
    returns: Returns = field(default_factory=Returns)
    shadow: Store | None = None
    heavy: threading.Lock = field(default_factory=threading.Lock)

    @property
    def home(self) -> Path:
        return self.settings.home

    @property
    def store(self) -> Store:
        """What the workers of this catalog share."""
        return self.shadow or open_store(self.settings.store, self.home)

    @contextmanager
    def alone(self, limit: int | None) -> Iterator[None]:
        """Beside nothing else that takes much memory, where there is a limit to it."""
        with self.heavy if limit is not None else nullcontext():
            yield

    def stages(self, job_id: str) -> Stages:
        """Parts of a job, whose progress is written to its row."""

        def begin(message: str, *, total: int, unit: str) -> Progress:
            self.ledger.at_stage(job_id, message, total=total, unit=unit)
            self.figures.at_stage(job_id, message)
            log.info("%s.", message, extra=fields(job=job_id))
            return Progress(lambda reading: self.ledger.progressed(job_id, reading), total=total)

        return begin


def make_context(settings: WorkerSettings, ledger: Ledger) -> JobContext:
    """A context without any model loaded yet. Under a limit of memory one model is kept at a time."""
    kept = KEPT if settings.memory_limit is None else 1
    return JobContext(settings, ledger, ModelCache(device=settings.device, dtype=settings.dtype, kept=kept))
