"""Answers live requests: reads them, has their rows run, and puts together what came of them."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol, TypeVar

from worker.live.answer import TextFired, joined
from worker.live.ask import Ask
from worker.live.batcher import Batcher
from worker.live.dictionary import LiveDictionary
from worker.live.errors import LiveError
from worker.live.limits import LiveLimits
from worker.live.request import LiveRequest, read_request
from worker.live.rows import rows_of

LOADING_AT_ONCE = 2
PREPARING_AT_ONCE = 2
T = TypeVar("T")
Write = Callable[[Sequence[TextFired], Sequence[LiveDictionary]], bytes]


class Dictionaries(Protocol):
    """Where dictionaries come from."""

    def loaded(self, identity: str) -> LiveDictionary | None:
        """The dictionary of that hash where it is in memory."""
        ...

    def load(self, identity: str) -> LiveDictionary:
        """The same, loaded where it is not. Raises WorkerError in its kinds, and the catalog's errors."""
        ...


class LiveService:
    """One for a worker. Loading is done apart from everything else: whoever asks for what is there goes ahead.

    write: an answer as it travels.
    """

    def __init__(self, dictionaries: Dictionaries, batcher: Batcher, limits: LiveLimits, *, write: Write) -> None:
        self.limits = limits
        self._write = write
        self._dictionaries = dictionaries
        self.batcher = batcher
        self._loading = ThreadPoolExecutor(LOADING_AT_ONCE, "live-loading")
        self._preparing = ThreadPoolExecutor(PREPARING_AT_ONCE, "live-preparing")
        self._in_flight = 0

    @property
    def batch_tokens(self) -> int:
        """Tokens that go through a model before the next have their turn."""
        return self.batcher.batch_tokens

    @property
    def in_flight(self) -> int:
        """Requests taken in and not yet answered."""
        return self._in_flight

    async def answer(self, body: bytes) -> bytes:
        """The answer as it travels. Raises LiveError, and whatever the dictionaries raise.

        Cancelling takes the request out of the queue.
        """
        with self.admitted():
            return await self._answered(body)

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """A request under way, while open. Raises LiveError where there are too many."""
        if self._in_flight >= self.limits.in_flight:
            raise LiveError(
                f"The worker has {self._in_flight} live requests under way; the limit is {self.limits.in_flight}.",
                status=429,
                code="busy",
                hint="Try again in a moment, or raise FEATURESCOPE_LIVE_MAX_IN_FLIGHT where the worker runs.",
            )
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    async def prepared(self, prepare: Callable[..., T], *values: Any, **named: Any) -> T:
        """What the function makes of the values, in a thread that is not the event loop's."""
        return await asyncio.get_running_loop().run_in_executor(self._preparing, partial(prepare, *values, **named))

    async def _answered(self, body: bytes) -> bytes:
        request = await self.prepared(read_request, body, self.limits)
        dictionaries = [await self.dictionary(identity) for identity in request.dictionaries]
        _check_margins(request, dictionaries)
        rows = await self.prepared(rows_of, request, dictionaries, self.limits)
        ask = Ask(rows, most_firings=self.limits.firings)
        self.batcher.submit(ask)
        found = await asyncio.wrap_future(ask.done)

        def written() -> bytes:
            return self._write(joined(request, dictionaries, rows, found), dictionaries)

        return await self.prepared(written)

    async def dictionary(self, identity: str) -> LiveDictionary:
        """The dictionary of that hash, loaded where it is not in memory. Raises whatever loading raises."""
        ready = self._dictionaries.loaded(identity)
        if ready is not None:
            return ready
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._loading, self._dictionaries.load, identity)


def _check_margins(request: LiveRequest, dictionaries: Sequence[LiveDictionary]) -> None:
    feature = request.margins_of
    for each in dictionaries:
        if feature is not None and not 0 <= feature < each.encoder.d_sae:
            raise LiveError(
                f"The dictionary has features 0 to {each.encoder.d_sae - 1}; there is no feature {feature}."
            )
