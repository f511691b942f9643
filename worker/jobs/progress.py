"""How far a piece of work is, how fast it goes and how long it will take, told at most a few times a second."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

WINDOW_SECONDS = 20.0
REPORT_EVERY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Reading:
    """done of total units. rate: units a second over the last seconds; seconds_left: an estimate; None when unknown."""

    done: int
    total: int
    rate: float | None
    seconds_left: float | None


class Pace:
    """Turns what is done by now into readings. Threads may ask at once.

    total: of the whole. done: where the count begins; it does not count towards the rate.
    """

    def __init__(self, total: int, *, done: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque() if done is None else deque([(clock(), done)])
        self._lock = threading.Lock()

    def at(self, done: int, total: int | None = None) -> Reading:
        """The state now. Where the count begins at the first call, that one has no rate."""
        with self._lock:
            self._total = self._total if total is None else total
            now = self._clock()
            self._seen.append((now, done))
            while len(self._seen) > 2 and self._seen[1][0] < now - WINDOW_SECONDS:
                self._seen.popleft()
            first, before = self._seen[0]
            rate = (done - before) / (now - first) if now > first and done > before else None
            left = (self._total - done) / rate if rate else None
            return Reading(done=done, total=self._total, rate=rate, seconds_left=left)


class Progress:
    """Tells how far a piece of work is.

    report: called with a reading, at most every REPORT_EVERY_SECONDS and always at the end.
    done: where the count begins, for work that goes on from an earlier run; it does not count towards the rate.
    """

    def __init__(
        self,
        report: Callable[[Reading], None],
        *,
        total: int,
        done: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._report = report
        self._pace = Pace(total, done=done, clock=clock)
        self._clock = clock
        self._last_report = clock()

    def update(self, done: int, total: int | None = None) -> None:
        """Say that `done` units are done, and optionally that there are `total` after all."""
        reading = self._pace.at(done, total)
        now = self._clock()
        if done >= reading.total or now - self._last_report >= REPORT_EVERY_SECONDS:
            self._last_report = now
            self._report(reading)


class Stages(Protocol):
    """Begins a part of some work under a name that people read, and follows it."""

    def __call__(self, message: str, *, total: int, unit: str) -> Progress: ...
