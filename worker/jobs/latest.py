"""Keeps the one thing that was opened last, because pieces of one job follow each other."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

Thing = TypeVar("Thing")


class Latest:
    """Threads may ask at once; something is opened one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: tuple[str, Any] | None = None

    def get(self, key: str, open_it: Callable[[], Thing]) -> Thing:
        """What was opened under this key, or else opens it and forgets the one before."""
        with self._lock:
            if self._kept is None or self._kept[0] != key:
                self._kept = None
                self._kept = (key, open_it())
            return self._kept[1]
