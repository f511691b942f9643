"""The stream of one open page: what happens to the labels of a feature, and who else looks at it.

It holds neither a thread nor a session while it waits. Each event has the number of the newest change as its id, so
that a page that comes back says what it has seen and is told whether there is more.
"""

import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app.label_stream.notifier import Notifier, Subscription
from catalog.label_channel import FeaturePlace, SomebodyLooks

BEAT_S = 15.0
"""How often a quiet stream says that it is there: proxies let go of what is silent."""


@dataclass(frozen=True, slots=True)
class Onlooker:
    """Whoever has the page open. seen: the newest change on it. newest: reads the newest change there is."""

    name: str
    place: FeaturePlace
    seen: int
    newest: Callable[[], int]
    announce: Callable[[SomebodyLooks], None]


class LabelStream(StreamingResponse):
    """Server-sent events until whoever reads them is gone."""

    def __init__(self, notifier: Notifier, onlooker: Onlooker) -> None:
        self._events = events(notifier, onlooker)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(self._events, media_type="text/event-stream", headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what there is; who is gone is taken off the list at once."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._events.aclose()


async def events(notifier: Notifier, onlooker: Onlooker) -> AsyncGenerator[bytes, None]:
    """What is sent: `labels` with the number of a change, `presence` with the names of the others who look."""
    viewer, seen = notifier.new_viewer(), onlooker.seen
    others: tuple[str, ...] = ()

    def announce(*, is_here: bool, is_new: bool = False) -> None:
        message = SomebodyLooks(onlooker.place, viewer, onlooker.name, is_here, is_new)
        notifier.announce(message, onlooker.announce)

    with notifier.subscribed(onlooker.place) as ear:
        try:
            announce(is_here=True, is_new=True)
            ear.is_asked = False
            ear.wake(None)
            while not notifier.is_ending:
                yield b": here\n\n"
                await ear.wait(BEAT_S)
                if ear.is_asked:
                    ear.is_asked = False
                    announce(is_here=True)
                newest, now = await _newest(ear, onlooker), _others(notifier, onlooker)
                if newest > seen:
                    seen = newest
                    yield _event("labels", {"change": newest}, number=newest)
                if now != others:
                    others = now
                    yield _event("presence", {"names": list(now)})
        finally:
            announce(is_here=False)


def _others(notifier: Notifier, onlooker: Onlooker) -> tuple[str, ...]:
    return tuple(name for name in notifier.onlookers.names(onlooker.place) if name != onlooker.name)


async def _newest(ear: Subscription, onlooker: Onlooker) -> int:
    if ear.has_missed:
        ear.has_missed = False
        ear.change = max(ear.change, await run_in_threadpool(onlooker.newest))
    return ear.change


def _event(kind: str, data: dict[str, object], *, number: int | None = None) -> bytes:
    identity = "" if number is None else f"id: {number}\n"
    return f"{identity}event: {kind}\ndata: {json.dumps(data, ensure_ascii=True)}\n\n".encode()
