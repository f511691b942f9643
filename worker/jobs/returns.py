"""Work that this process has put down for another to take up: what rests, and what it cannot do.

A workflow writes it down here and ends; the caretaker, which is outside of every workflow, tells DBOS.
"""

import threading
from dataclasses import dataclass
from queue import Empty, SimpleQueue


@dataclass(frozen=True, slots=True)
class Returned:
    """A workflow of a job that was put down. reason: why this worker cannot do the job; None where the job rests."""

    job_id: str
    workflow_id: str
    reason: str | None = None


class Returns:
    """Threads may add at once; one takes. wake: set by whatever the caretaker should not sleep over."""

    def __init__(self) -> None:
        self.wake = threading.Event()
        self._waiting: SimpleQueue[Returned] = SimpleQueue()

    def add(self, returned: Returned) -> None:
        """Hand something over, and wake the caretaker."""
        self._waiting.put(returned)
        self.wake.set()

    def take(self) -> list[Returned]:
        """All that has been handed over since the last call."""
        found = []
        while True:
            try:
                found.append(self._waiting.get_nowait())
            except Empty:
                return found
