"""One request on its way through the model: its rows, what came of them, and whether anybody still waits."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from worker.live.encode import Fired
from worker.live.errors import LiveError, too_much
from worker.live.rows import Row


@dataclass(frozen=True, slots=True, eq=False)
class RowFired:
    """What one dictionary makes of one row. positions: in the row, of the tokens that count."""

    positions: Int64[np.ndarray, " token"]
    fired: Fired


RowFirings = Mapping[str, RowFired]


class Ask:
    """Rows are taken and delivered by the batcher's thread alone; `done` may be cancelled from any.

    most_firings: beyond it the request fails, before its answer fills the memory.
    """

    def __init__(self, rows: Sequence[Row], *, most_firings: int) -> None:
        self.rows = tuple(rows)
        self.done: Future[list[RowFirings]] = Future()
        self._found: list[RowFirings | None] = [None] * len(rows)
        self._next = 0
        self._left = len(rows)
        self._most_firings = most_firings
        self._firings = 0
        if not rows:
            self.done.set_result([])

    @property
    def is_over(self) -> bool:
        """Answered, failed, or given up by whoever asked."""
        return self.done.done()

    @property
    def has_more(self) -> bool:
        """Whether a row has not been taken yet."""
        return self._next < len(self.rows)

    def peek(self) -> Row:
        """The next row."""
        return self.rows[self._next]

    def take(self) -> int:
        """The number of the next row, which counts as taken."""
        self._next += 1
        return self._next - 1

    def deliver(self, number: int, firings: RowFirings) -> None:
        """What came of a row; after the last one the request is done."""
        self._found[number] = firings
        self._left -= 1
        self._firings += sum(len(each.fired.features) for each in firings.values())
        if self._firings > self._most_firings:
            self.fail(
                too_much(
                    "firings or more",
                    value=self._firings,
                    limit=self._most_firings,
                    setting="FEATURESCOPE_LIVE_MAX_FIRINGS",
                    hint="Send less text, fewer dictionaries at once, or name the features in `only`.",
                )
            )
        elif self._left == 0:
            self._settle(found=[each for each in self._found if each is not None])

    def fail(self, error: Exception) -> None:
        """The request cannot be answered."""
        self._settle(error=error)

    def _settle(self, *, found: list[RowFirings] | None = None, error: Exception | None = None) -> None:
        try:
            if error is not None:
                self.done.set_exception(error)
            else:
                self.done.set_result(found or [])
        except InvalidStateError:
            return


def out_of_memory(error: Exception) -> LiveError:
    """What a request is told that the device has no room for."""
    return LiveError(
        "The device has no memory left for this request.",
        status=503,
        code="out_of_memory",
        hint="Send less text or fewer dictionaries at once, or try again when no job is running. "
        f"The worker goes on. ({str(error).splitlines()[0][:200]})",
    )
