"""Which workflows this process has in hand, so that those it only holds on paper are found.

A workflow's last word is written by DBOS when its function has returned. Where that fails, because the disk was full
just then, the workflow stays with this process for ever, and nobody works on it.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

GRACE_SECONDS = 10.0


class AtWork:
    """Threads come and go as they begin and end a workflow."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._running: dict[str, int] = {}
        self._missed_since: dict[str, float] = {}

    @contextmanager
    def on(self, workflow_id: str | None) -> Iterator[None]:
        """The time in which a workflow is in hand."""
        name = workflow_id or ""
        with self._lock:
            self._running[name] = self._running.get(name, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                self._running[name] -= 1
                if not self._running[name]:
                    del self._running[name]

    def strays(self, held: Iterable[str]) -> list[str]:
        """Of the workflows this process holds on paper, those that it has had out of hand for GRACE_SECONDS."""
        with self._lock:
            idle = [name for name in held if name not in self._running]
        now = self._clock()
        self._missed_since = {name: self._missed_since.get(name, now) for name in idle}
        return [name for name, since in self._missed_since.items() if now - since >= GRACE_SECONDS]
