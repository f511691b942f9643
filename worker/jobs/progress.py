"""How far a piece of work is, how fast it goes and how long it will take, told at most a few times a second."""

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


class Progress:
    """Turns counts into readings.

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
        self._total = total
        self._clock = clock
        self._last_report = clock()
        self._seen: deque[tuple[float, int]] = deque([(clock(), done)])

    def update(self, done: int, total: int | None = None) -> None:
        """Say that `done` units are done, and optionally that there are `total` after all."""
        self._total = self._total if total is None else total
        now = self._clock()
        self._seen.append((now, done))
        while len(self._seen) > 2 and self._seen[1][0] < now - WINDOW_SECONDS:
            self._seen.popleft()
        if done >= self._total or now - self._last_report >= REPORT_EVERY_SECONDS:
            self._last_report = now
            self._report(self.reading())

    def reading(self) -> Reading:
        """The state now."""
        (first, before), (last, done) = self._seen[0], self._seen[-1]
        rate = (done - before) / (last - first) if last > first and done > before else None
        left = (self._total - done) / rate if rate else None
        return Reading(done=done, total=self._total, rate=rate, seconds_left=left)


class Stages(Protocol):
    """Begins a part of some work under a name that people read, and follows it."""

    def __call__(self, message: str, *, total: int, unit: str) -> Progress: ...
