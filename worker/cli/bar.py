"""How far a piece of work is that this process does itself: a bar in a terminal, a line now and then in a log."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from worker.cli.output import duration, human

LINE_EVERY_SECONDS = 5.0


class Bar:
    """Shows done of total with rate and time left, on stderr. unit: what is counted."""

    def __init__(self, title: str, *, unit: str) -> None:
        self._title = title
        self._unit = unit
        self._began = time.monotonic()
        self._next_line = self._began + LINE_EVERY_SECONDS
        self._bar = _rich_bar() if sys.stderr.isatty() else None
        self._task = self._bar.add_task(title, total=None, detail="") if self._bar else None

    def __enter__(self) -> "Bar":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def update(self, part: str, done: int, total: int) -> None:
        """part: what is being worked on, such as a table."""
        seconds = time.monotonic() - self._began
        rate = done / seconds if seconds > 0 else 0.0
        if self._bar and self._task is not None:
            detail = f"{part}, {human(rate)} {self._unit} a second"
            self._bar.update(self._task, completed=done, total=total, detail=detail)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE_EVERY_SECONDS
            left = f", {duration((total - done) / rate)} left" if rate else ""
            told = f"{human(done)} of {human(total)} {self._unit}, {human(rate)} a second{left}"
            print(f"{self._title}: {part}, {told}", file=sys.stderr, flush=True)


def _rich_bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[detail]}"),
        console=Console(stderr=True),
    )
