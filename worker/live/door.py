"""The worker's live door: a small HTTP service for the app alone, which shows the shared secret."""

import asyncio
import hmac
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from worker.errors import WorkerError
from worker.live.errors import LiveError, too_much
from worker.live.service import LiveService
from worker.live.steering import EventStream, SteeringService

log = logging.getLogger(__name__)
BINARY, JSON, LINES = "application/octet-stream", "application/json", "application/x-ndjson"
CLIENT_GONE = 499
Explain = Callable[[Exception], LiveError | None]
Answer = Callable[[bytes], Awaitable[bytes]]


class LiveDoor:
    """The routes. secret: what Authorization must bear. explain: errors of the rooms that dictionaries come from."""

    def __init__(self, service: LiveService, *, secret: str, explain: Explain) -> None:
        self._service = service
        self._steering = SteeringService(service)
        self._explain = explain
        self._expected = f"Bearer {secret}".encode()

    def app(self) -> Starlette:
        """The application that uvicorn serves."""
        return Starlette(
            routes=[
                Route("/health", self.health),
                Route("/activations", self.activations, methods=["POST"]),
                Route("/steer", self.steer, methods=["POST"]),
                Route("/effects", self.effects, methods=["POST"]),
                Route("/attribution", self.attribution, methods=["POST"]),
            ]
        )

    async def health(self, request: Request) -> Response:
        """How busy it is."""
        if not self._is_trusted(request):
            return _refused()
        return JSONResponse({"in_flight": self._service.in_flight, "limit": self._service.limits.in_flight})

    async def activations(self, request: Request) -> Response:
        """The firings asked for, in the form of `catalog.live_answers`; errors are JSON."""
        return await self._answered(request, self._service.answer, BINARY)

    async def effects(self, request: Request) -> Response:
        """What taking features away does to the tokens that follow, as JSON."""
        return await self._answered(request, self._steering.effects, JSON)

    async def attribution(self, request: Request) -> Response:
        """What features add to the logits, as JSON."""
        return await self._answered(request, self._steering.attribution, JSON)

    async def steer(self, request: Request) -> Response:
        """Text written with and without changed features: events, each a line of JSON, as they come.

        What goes wrong after the first line is an event `error` of its own.
        """
        if not self._is_trusted(request):
            return _refused()
        try:
            return _Events(await self._steering.steer(await self._body(request)), self._told)
        except Exception as error:  # noqa: BLE001 (the edge of the door: the app tells people)
            return _failed(self._told(error))

    async def _answered(self, request: Request, answer: Answer, media_type: str) -> Response:
        if not self._is_trusted(request):
            return _refused()
        try:
            body = await self._body(request)
            return await _unless_gone(request, answer(body), media_type)
        except Exception as error:  # noqa: BLE001 (the same edge)
            return _failed(self._told(error))

    def _told(self, error: Exception) -> LiveError:
        return self._explain(error) or _known(error)

    def _is_trusted(self, request: Request) -> bool:
        return hmac.compare_digest(request.headers.get("authorization", "").encode(), self._expected)

    async def _body(self, request: Request) -> bytes:
        limit = self._service.limits.body_bytes
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise too_much("bytes or more", value=len(body), limit=limit, setting="FEATURESCOPE_LIVE_MAX_TOKENS")
        return bytes(body)


class _Events(StreamingResponse):
    """Lines of events, given up where the client goes away."""

    def __init__(self, events: EventStream, told: Callable[[Exception], LiveError]) -> None:
        super().__init__(self._lines(events, told), media_type=LINES)
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all of it, or what there is until the client is gone."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._events.close()

    async def _lines(self, events: EventStream, told: Callable[[Exception], LiveError]) -> AsyncIterator[bytes]:
        try:
            async for line in events:
                yield line
        except Exception as error:  # noqa: BLE001 (the same edge)
            yield json.dumps({"event": "error", **_described(told(error))}).encode() + b"\n"


async def _unless_gone(request: Request, answer: Awaitable[bytes], media_type: str) -> Response:
    """The answer; where the client goes away first, the work is given up."""
    work = asyncio.ensure_future(answer)
    gone = asyncio.create_task(_until_gone(request))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            return Response(status_code=CLIENT_GONE)
        return Response(work.result(), media_type=media_type)
    finally:
        work.cancel()
        gone.cancel()


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _refused() -> Response:
    error = LiveError(
        "The live door asks for the shared secret, and this request has another or none.",
        status=401,
        code="refused",
        hint="Set FEATURESCOPE_LIVE_SECRET to the same value for app and worker, or let both use one home.",
    )
    return _failed(error)


def _failed(error: LiveError) -> Response:
    return JSONResponse(_described(error), status_code=error.status)


def _described(error: LiveError) -> dict[str, dict[str, str]]:
    return {"error": {"code": error.code, "message": str(error), "hint": error.hint}}


def _known(error: Exception) -> LiveError:
    """The error as it is told."""
    if isinstance(error, LiveError):
        return error
    if isinstance(error, WorkerError | OSError):
        return LiveError(str(error), status=409, code="cannot_load")
    log.error("A live request failed unexpectedly.", exc_info=error)
    words = f"Unexpected {type(error).__name__}: {error}."
    return LiveError(words, status=500, code="worker_error", hint="The worker's log has the details.")
