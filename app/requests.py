"""A name and a line in the log for every request, whatever answers it.

The outermost layer: refusals, errors and files of `static/` pass through it too.
"""

import logging
import re
import time
import uuid
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from catalog.log_lines import bound, told

log = logging.getLogger(__name__)
HEADER = "X-Request-ID"
KEPT_PATH = 300
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_STATE = "featurescope.request_id"


class RequestLog:
    """Gives each request an id, sends it back, and writes one line when the answer is done.

    A caller's own id is kept where it is up to 64 letters, digits, dots, dashes and underscores. The query is never
    written down: what people search for is theirs, and links may carry secrets.
    """

    def __init__(self, app: ASGIApp, *, is_on: bool) -> None:
        self._app = app
        self._is_on = is_on

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on under its id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[_STATE] = request = _id_of(Headers(scope=scope).get(HEADER))
        seen = _Answer()

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.begins(message["status"])
                MutableHeaders(scope=message)[HEADER] = request
            elif message["type"] == "http.response.body":
                seen.n_bytes += len(message.get("body", b""))
            await send(message)

        with bound(request=request):
            try:
                await self._app(scope, receive, send_named)
            finally:
                if self._is_on:
                    _write(scope, seen)


class _Answer:
    """What has been sent so far. seconds: until the answer began."""

    def __init__(self) -> None:
        self._since = time.perf_counter()
        self.status = 0
        self.seconds = 0.0
        self.n_bytes = 0

    def begins(self, status: int) -> None:
        self.status = status
        self.seconds = time.perf_counter() - self._since


def request_id(request: Request) -> str:
    """The id of a request, which is in its log lines and in the header of its answer."""
    return request.scope.get(_STATE, "")


def _id_of(given: str | None) -> str:
    return given if given and _SANE_ID.fullmatch(given) else uuid.uuid4().hex[:16]


def _write(scope: Scope, seen: _Answer) -> None:
    path = quote(scope["path"], safe="/:@!$&'()*+,;=~-._")[:KEPT_PATH]
    milliseconds = round(seen.seconds * 1000, 2)
    log.info(
        "%s %s %d in %.1f ms",
        scope["method"],
        path,
        seen.status,
        milliseconds,
        extra=told(method=scope["method"], path=path, status=seen.status, ms=milliseconds, bytes=seen.n_bytes),
    )
