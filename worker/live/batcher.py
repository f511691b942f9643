"""The one thread that runs models for live requests: it takes what is there when it is free, and waits for nothing.

Requests take turns by rows, so that a short one is answered beside a long one and not behind it. Work that is done in
steps, a text being written say, has one step after each batch, and each such work in turn.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

from worker.live.ask import Ask, RowFirings, out_of_memory
from worker.live.forward import is_out_of_memory, run_rows
from worker.live.rows import Row
from worker.live.work import Work

Found = TypeVar("Found")
log = logging.getLogger(__name__)


class Taken(NamedTuple):
    """A row of a request that is about to be run."""

    ask: Ask
    number: int

    @property
    def row(self) -> Row:
        """The row itself."""
        return self.ask.rows[self.number]


class Batcher:
    """Runs rows of all requests in batches of up to `batch_tokens` tokens, a row at least.

    make_room: called where the device has no memory left, to let go of what is not in use; then the row is tried again.
    The thread is a daemon: a worker that leaves waits for nobody.
    """

    def __init__(self, *, batch_tokens: int, make_room: Callable[[], None]) -> None:
        self.batch_tokens = batch_tokens
        self._make_room = make_room
        self._waiting: deque[Ask] = deque()
        self._works: deque[Work] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="live-batcher", daemon=True)
        self._thread.start()

    def submit(self, ask: Ask) -> None:
        """Put a request in the queue. Its `done` is settled when it is answered."""
        if ask.is_over:
            return
        with self._changed:
            self._waiting.append(ask)
            self._changed.notify()

    def take_on(self, work: Work) -> None:
        """Do a work in steps among the requests. Its `done` is settled after the last."""
        with self._changed:
            self._works.append(work)
            self._changed.notify()

    def stop(self) -> None:
        """End the thread after the batch it is at."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._works or self._stopped)
                if self._stopped:
                    return
                batch = self._take()
                work = self._works.popleft() if self._works else None
            for group in groups_of(batch):
                self._answer(group)
            if work is not None and not work.is_over:
                self._go_on(work)

    def _take(self) -> list[Taken]:
        """Rows of the waiting requests, one of each in turn, until the batch is full."""
        batch: list[Taken] = []
        n_tokens = 0
        while self._waiting:
            ask = self._waiting.popleft()
            if ask.is_over or not ask.has_more:
                continue
            n_tokens += len(ask.peek().token_ids)
            if batch and n_tokens > self.batch_tokens:
                self._waiting.appendleft(ask)
                break
            batch.append(Taken(ask, ask.take()))
            if ask.has_more:
                self._waiting.append(ask)
        return batch

    def _answer(self, group: list[Taken]) -> None:
        """Run rows together; where that fails, each by itself, so that one request cannot fail another's."""
        try:
            found = self._found([taken.row for taken in group])
        except Exception as error:  # noqa: BLE001 (the edge of live inference: whatever happens, the request says so)
            if len(group) > 1:
                for taken in group:
                    self._answer([taken])
            else:
                group[0].ask.fail(_told(error))
            return
        for taken, firings in zip(group, found, strict=True):
            taken.ask.deliver(taken.number, firings)

    def _go_on(self, work: Work) -> None:
        """One step of a work, which then waits for its next turn."""
        try:
            has_more = self._with_room(work.go_on)
        except Exception as error:  # noqa: BLE001 (the same edge)
            work.fail(_told(error))
            return
        if has_more:
            self.take_on(work)

    def _found(self, rows: list[Row]) -> list[RowFirings]:
        """Rows that fail together are tried one by one, so only one alone is worth making room for."""
        return run_rows(rows) if len(rows) > 1 else self._with_room(lambda: run_rows(rows))

    def _with_room(self, run: Callable[[], Found]) -> Found:
        """What it gives, tried once more with room made where memory was short."""
        try:
            return run()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        self._make_room()
        return run()


def groups_of(batch: Iterable[Taken]) -> list[list[Taken]]:
    """Rows that go through a model together: of the same model, and of about the same length, to waste no padding."""
    groups: dict[tuple[int, int], list[Taken]] = {}
    for taken in batch:
        if not taken.ask.is_over:
            key = (id(taken.row.model), len(taken.row.token_ids).bit_length())
            groups.setdefault(key, []).append(taken)
    return list(groups.values())


def _told(error: Exception) -> Exception:
    if is_out_of_memory(error):
        log.warning("A live request does not fit the device's memory: %s", error)
        return out_of_memory(error)
    return error
