"""The one notifier of a process: it hears of every change to labels and wakes the streams that wait for it.

On PostgreSQL it hears what any process does, over one connection that is open while a stream is; on SQLite what this
process does. It belongs to the event loop: only `tell` may be called from another thread.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from app.label_stream.onlookers import Onlookers
from catalog.errors import CatalogError
from catalog.label_channel import FeaturePlace, LabelsChanged, Message, SomebodyLooks, listen

log = logging.getLogger(__name__)
FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 10.0


class Subscription:
    """One stream's ear.

    change: the newest that it was told of. has_missed: there may be one that nobody told of. is_asked: somebody new
    wants to know who is there.
    """

    def __init__(self, place: FeaturePlace) -> None:
        self.place = place
        self.change = 0
        self.has_missed = False
        self.is_asked = False
        self._woken = asyncio.Event()

    def wake(self, change: int | None) -> None:
        """Something was done. change: its number, None where it is not known."""
        if change is None:
            self.has_missed = True
        else:
            self.change = max(self.change, change)
        self._woken.set()

    async def wait(self, seconds: float) -> None:
        """Until something was done since the last wait, or that long; then it may have missed something."""
        try:
            await asyncio.wait_for(self._woken.wait(), seconds)
        except TimeoutError:
            self.has_missed = self.is_asked = True
        self._woken.clear()


class Notifier:
    """Hears of changes and wakes subscriptions.

    onlookers: who looks at which feature, as far as is known here. is_ending: streams are to end, for the server does.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._subscriptions: dict[FeaturePlace, set[Subscription]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ear: asyncio.Task[None] | None = None
        self._sending: asyncio.Task[None] | None = None
        self._name = uuid.uuid4().hex
        self.onlookers = Onlookers()
        self.is_ending = False

    @property
    def hears_others(self) -> bool:
        """Whether it hears of what other processes do."""
        return self._engine.dialect.name == "postgresql"

    @contextmanager
    def subscribed(self, place: FeaturePlace) -> Iterator[Subscription]:
        """An ear for one feature."""
        self._loop = asyncio.get_running_loop()
        mine = Subscription(place)
        self._subscriptions.setdefault(place, set()).add(mine)
        if self.hears_others and self._ear is None:
            self._ear = asyncio.create_task(self._listen())
        try:
            yield mine
        finally:
            self._leave(mine)

    def tell(self, message: Message) -> None:
        """Pass on what this process has just committed; from any thread. Others' ears hear it from the database."""
        loop = self._loop
        if not self.hears_others and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._deliver, message)

    def end(self) -> None:
        """Let every stream end; from any thread, and from the handler of a signal."""
        self.is_ending = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake_all)

    def announce(self, message: SomebodyLooks, send: Callable[[SomebodyLooks], None]) -> None:
        """Somebody looks, or no longer does: pass it on, in the loop. send: tells other processes; done in a thread."""
        self._deliver(message)
        if self.hears_others:
            self._sending = asyncio.create_task(_sent(self._sending, send, message))

    def new_viewer(self) -> str:
        """The name of one open page, by which this process knows it for its own."""
        return f"{self._name}-{uuid.uuid4().hex}"

    def _leave(self, mine: Subscription) -> None:
        there = self._subscriptions[mine.place]
        there.discard(mine)
        if not there:
            del self._subscriptions[mine.place]
        if not self._subscriptions and self._ear is not None:
            self._ear.cancel()
            self._ear = None

    def _deliver(self, message: Message) -> None:
        there = self._subscriptions.get(message.place, ())
        if isinstance(message, LabelsChanged):
            for each in there:
                each.wake(message.change)
            return
        is_news = self.onlookers.heard(message)
        for each in there:
            each.is_asked |= message.is_new
            if is_news or message.is_new:
                each.wake(0)

    async def _listen(self) -> None:
        """Hear the database, and go back to it when it was away; what came meanwhile may have been missed."""
        wait = FIRST_WAIT_S
        while True:
            try:
                async for message in listen(self._engine):
                    wait = FIRST_WAIT_S
                    if message is None:
                        self._wake_all()
                    elif not self._is_own(message):
                        self._deliver(message)
            except (psycopg.Error, OSError) as error:
                log.warning("Changes of labels are not heard of for now: %s", error)
            await asyncio.sleep(wait)
            wait = min(LONGEST_WAIT_S, 2 * wait)

    def _is_own(self, message: Message) -> bool:
        """Whether it is what this process has said itself of an open page, and has passed on already."""
        return isinstance(message, SomebodyLooks) and message.viewer.startswith(self._name)

    def _wake_all(self) -> None:
        for there in self._subscriptions.values():
            for each in there:
                each.wake(None)


async def _sent(
    before: asyncio.Task[None] | None, send: Callable[[SomebodyLooks], None], message: SomebodyLooks
) -> None:
    """One after the other, so that nobody is heard of after they went.

    That others are not told who looks harms nothing: they are told again soon.
    """
    if before is not None:
        await before
    try:
        await run_in_threadpool(send, message)
    except CatalogError as error:
        log.warning("Others are not told who looks at a feature: %s", error)
