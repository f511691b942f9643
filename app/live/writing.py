"""Has a worker write text with features changed, and hands its events on as server-sent ones."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app.library import Library
from app.live.client import LiveClient
from app.live.failures import LiveFailure
from app.live.steer_state import SteerState, rows_of, sampling_of
from app.live.steering import Change, change_json, check_changes, chosen_features
from app.live.written import Event, Reader, events_of
from app.pages.tokens import TokenText
from catalog.errors import BadQuery


@dataclass(frozen=True, slots=True, eq=False)
class ToWrite:
    """Everything that is asked of a worker. model: a slug. values: as the worker's door reads them."""

    model: str
    changes: tuple[Change, ...]
    tokens: TokenText
    values: Mapping[str, Any]


def to_write(
    library: Library, changes: Sequence[Change], prompt: Mapping[str, Any], sampling: Mapping[str, Any]
) -> ToWrite:
    """Raises what `check_changes` does."""
    check_changes(changes)
    dictionary = changes[0].feature.dictionary
    edits = [change.for_worker() for change in changes]
    values = {**prompt, **sampling, "edits": edits}
    return ToWrite(dictionary.model, tuple(changes), library.tokens(dictionary), values)


def typed_to_write(library: Library, state: SteerState) -> ToWrite:
    """What was typed into the form. Raises BadQuery besides."""
    sampling, rows = sampling_of(state), rows_of(state)
    if not rows:
        raise BadQuery("No feature is named; choose at least one to change.")
    chosen = chosen_features(library, [named for named, _, _ in rows])
    changes = [Change(feature, mode, value) for feature, (_, mode, value) in zip(chosen, rows, strict=True)]
    return to_write(library, changes, {"text": state.text}, sampling)


async def told(client: LiveClient, asked: ToWrite) -> AsyncGenerator[Event, None]:
    """The events with the text of their tokens. Raises LiveFailure, before the first and later."""
    reader = Reader(asked.tokens.vocabulary)
    async with client.stream("/steer", asked.values, model=asked.model) as parts:
        async for event in events_of(parts):
            yield {**reader.read(event), **_changes(asked, event)}


def _changes(asked: ToWrite, event: Event) -> Event:
    return {"edits": [change_json(change) for change in asked.changes]} if event["event"] == "prompt" else {}


def as_sent(event: Mapping[str, Any]) -> bytes:
    """One server-sent event."""
    data = {name: value for name, value in event.items() if name != "event"}
    return f"event: {event['event']}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def failure_event(error: LiveFailure) -> Event:
    """What went wrong after the first event."""
    return {"event": "error", "error": {"code": error.code, "message": str(error), "hint": error.hint}}


class EventAnswer(StreamingResponse):
    """Server-sent events; what makes them is ended when the last is sent, or when whoever reads them is gone."""

    def __init__(self, events: AsyncGenerator[Event, None], *, first: Sequence[Event] = ()) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(_sent(events, first), media_type="text/event-stream", headers=headers)
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what there is."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._events.aclose()


async def _sent(events: AsyncIterator[Event], first: Sequence[Event]) -> AsyncIterator[bytes]:
    for event in first:
        yield as_sent(event)
    try:
        async for event in events:
            yield as_sent(event)
    except LiveFailure as error:
        yield as_sent(failure_event(error))
