"""The worker's live door: a small HTTP service for the app alone, which shows the shared secret."""

import asyncio
import hmac
import logging
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from worker.errors import WorkerError
from worker.live.errors import LiveError, too_much
from worker.live.service import LiveService

log = logging.getLogger(__name__)
BINARY = "application/octet-stream"
CLIENT_GONE = 499
Explain = Callable[[Exception], LiveError | None]


class LiveDoor:
    """The routes. secret: what Authorization must bear. explain: errors of the rooms that dictionaries come from."""

    def __init__(self, service: LiveService, *, secret: str, explain: Explain) -> None:
        self._service = service
        self._explain = explain
        self._expected = f"Bearer {secret}".encode()

    def app(self) -> Starlette:
        """The application that uvicorn serves."""
        return Starlette(
            routes=[
                Route("/health", self.health),
                Route("/activations", self.activations, methods=["POST"]),
            ]
        )

    async def health(self, request: Request) -> Response:
        """How busy it is."""
        if not self._is_trusted(request):
            return _refused()
        return JSONResponse({"in_flight": self._service.in_flight, "limit": self._service.limits.in_flight})

    async def activations(self, request: Request) -> Response:
        """The firings asked for, in the form of `catalog.live_answers`; errors are JSON."""
        if not self._is_trusted(request):
            return _refused()
        try:
            body = await self._body(request)
            return await _unless_gone(request, self._service, body)
        except Exception as error:  # noqa: BLE001 (the edge of the door: the app tells people)
            return _failed(self._explain(error) or _known(error))

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


async def _unless_gone(request: Request, service: LiveService, body: bytes) -> Response:
    """The answer; where the client goes away first, the work is given up."""
    work = asyncio.create_task(service.answer(body))
    gone = asyncio.create_task(_until_gone(request))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            return Response(status_code=CLIENT_GONE)
        return Response(work.result(), media_type=BINARY)
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
    body = {"error": {"code": error.code, "message": str(error), "hint": error.hint}}
    return JSONResponse(body, status_code=error.status)


def _known(error: Exception) -> LiveError:
    """The error as it is told."""
    if isinstance(error, LiveError):
        return error
    if isinstance(error, WorkerError | OSError):
        return LiveError(str(error), status=409, code="cannot_load")
    log.error("A live request failed unexpectedly.", exc_info=error)
    words = f"Unexpected {type(error).__name__}: {error}."
    return LiveError(words, status=500, code="worker_error", hint="The worker's log has the details.")
