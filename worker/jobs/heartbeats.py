"""Who is alive: this worker's heartbeat in the catalog, and the judgement of the others' by it.

Clocks of machines differ, so a worker is judged by when its heartbeat last changed on our own clock.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterable

from catalog.records import WorkerRecord


class Heartbeat:
    """Calls `beat` now and then, from a thread of its own, until stopped.

    A beat that fails is tried again at the next; `on_error` is told of the first of several on end.
    """

    def __init__(
        self, beat: Callable[[], None], *, every_seconds: float, on_error: Callable[[Exception], None]
    ) -> None:
        self._beat = beat
        self._every_seconds = every_seconds
        self._on_error = on_error
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """The first beat is made before this returns, so that work is never begun unheard of."""
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        """No beat follows this."""
        self._stopped.set()
        self._thread.join(timeout=self._every_seconds + 1)

    def _run(self) -> None:
        failing = False
        while not self._stopped.wait(self._every_seconds):
            try:
                self._beat()
                failing = False
            except Exception as error:  # noqa: BLE001 (a worker outlives a database that is away for a while)
                if not failing:
                    self._on_error(error)
                failing = True


class Watch:
    """Judges which workers are dead.

    A worker is dead when its heartbeat has not changed for stale_seconds, or when it was a process of this
    machine that is gone. One that was never heard of is dead at once.
    """

    def __init__(self, *, stale_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._stale_seconds = stale_seconds
        self._clock = clock
        self._changed: dict[str, tuple[str, float]] = {}

    def living(self, workers: Iterable[WorkerRecord]) -> frozenset[str]:
        """Executor ids of those that are not dead."""
        return frozenset(worker.executor_id for worker in workers if self._lives(worker))

    def look_away(self) -> None:
        """Nothing could be read for a while, so nobody's silence is held against them: their time begins anew."""
        self._changed.clear()

    def _lives(self, worker: WorkerRecord) -> bool:
        if worker.host == socket.gethostname() and not _process_exists(worker.pid):
            return False
        seen, since = self._changed.get(worker.executor_id, ("", 0.0))
        if seen != worker.last_seen_at:
            since = self._clock()
            self._changed[worker.executor_id] = (worker.last_seen_at, since)
        return self._clock() - since < self._stale_seconds


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
