"""The figures of one worker process, as Prometheus reads them: what it has done, what it is at, what it uses.

Counted where the work happens, so that a worker says only what it did itself; what all workers have done together is
in the rows of the jobs, and on the app's `/metrics`.
"""

import threading
import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import torch
from prometheus_client import CollectorRegistry, Counter, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric

Work = Literal["harvest", "train"]
WORKS: tuple[Work, ...] = ("harvest", "train")
WINDOW_SECONDS = 20.0


class Figures:
    """Counts of one process, in a registry of their own. Safe to use from any thread.

    clock: seconds that only go forward.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.registry = CollectorRegistry()
        self._tokens = Counter("featurescope_tokens", "Tokens gone through", ["work"], registry=self.registry)
        self._shards = Counter("featurescope_shards_done", "Shards finished by this worker", registry=self.registry)
        self._jobs = Counter("featurescope_jobs_ended", "Jobs ended here", ["status"], registry=self.registry)
        self._rates = {work: Rate(clock) for work in WORKS}
        self._stages: dict[str, str] = {}
        self._lock = threading.Lock()
        for work in WORKS:
            self._tokens.labels(work)
        ProcessCollector(registry=self.registry)
        self.registry.register(_Now(self))

    def following(self, work: Work, *, since: int | None = None) -> Callable[[int], None]:
        """Takes the tokens done so far of one piece of work, now and then, and counts what came since the last time.

        since: what was done before it began; None takes the first reading for that.
        """
        before = since

        def note(done: int) -> None:
            nonlocal before
            if before is not None and done > before:
                self._tokens.labels(work).inc(done - before)
                self._rates[work].add(done - before)
            before = done

        return note

    def shard_done(self) -> None:
        """A shard is finished."""
        self._shards.inc()

    def at_stage(self, job: str, stage: str) -> None:
        """A job has come to another of its parts. job: its id, or what tells its shard from others'."""
        with self._lock:
            self._stages[job] = stage

    def over(self, job: str) -> None:
        """Nothing of that id is under way here any more."""
        with self._lock:
            self._stages.pop(job, None)

    def job_ended(self, status: str) -> None:
        """A job has ended here."""
        self._jobs.labels(status).inc()

    @contextmanager
    def doing(self, job: str, stage: str) -> Iterator[None]:
        """A piece of work of one stage."""
        self.at_stage(job, stage)
        try:
            yield
        finally:
            self.over(job)

    def stages(self) -> Tally[str]:
        """How many pieces of work are at each stage now."""
        with self._lock:
            return Tally(self._stages.values())

    def tokens_per_second(self) -> Mapping[str, float]:
        """Of each kind of work, over the last WINDOW_SECONDS."""
        return {work: rate.per_second() for work, rate in self._rates.items()}


class Rate:
    """Events a second over the last WINDOW_SECONDS, or since the first of them where that is less."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()
        self._lock = threading.Lock()

    def add(self, events: int) -> None:
        """So many have happened since the last call."""
        with self._lock:
            self._seen.append((self._clock(), events))
            self._forget()

    def per_second(self) -> float:
        """0 where nothing has happened for WINDOW_SECONDS."""
        with self._lock:
            self._forget()
            return sum(events for _, events in self._seen) / WINDOW_SECONDS

    def _forget(self) -> None:
        oldest = self._clock() - WINDOW_SECONDS
        while self._seen and self._seen[0][0] < oldest:
            self._seen.popleft()


class _Now:
    """What is measured when somebody asks."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        """Rates and stages, and the GPU's memory where there is one."""
        rates = GaugeMetricFamily("featurescope_tokens_per_second", f"Over {WINDOW_SECONDS:g} s", labels=["work"])
        for work, rate in self._figures.tokens_per_second().items():
            rates.add_metric([work], rate)
        stages = GaugeMetricFamily("featurescope_stage", "Pieces of work at each stage", labels=["stage"])
        for stage, number in self._figures.stages().items():
            stages.add_metric([stage], number)
        yield from (rates, stages, *gpu_memory())


def gpu_memory() -> Iterator[Metric]:
    """Memory of every GPU that this process sees, in bytes; nothing where there is none."""
    if not torch.cuda.is_available():
        return
    family = GaugeMetricFamily("featurescope_gpu_memory_bytes", "Memory of the GPU", labels=["device", "kind"])
    for number in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(number)
        known = {
            "total": total,
            "free": free,
            "allocated": torch.cuda.memory_allocated(number),
            "reserved": torch.cuda.memory_reserved(number),
        }
        for kind, n_bytes in known.items():
            family.add_metric([f"cuda:{number}", kind], n_bytes)
    yield family
