"""Asks a worker's live door over private HTTP. Nothing here holds a thread or a database session while it waits."""

import json
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
from starlette.concurrency import run_in_threadpool

from app.live.doors import Door, Doors
from app.live.failures import LiveFailure, lost, no_worker, too_slow
from catalog.live_answers import LiveAnswer, read_live_answer

log = logging.getLogger(__name__)
CONNECT_SECONDS = 2.0
# A machine that is switched off closes no connection: the kernel asks after it, and gives up after some seconds.
_ALIVE = (("TCP_KEEPIDLE", 2), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3))
KEEPALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *((socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in _ALIVE if hasattr(socket, name)),
]


class LiveClient:
    """One for an app. Each request has a connection of its own: one kept from before could be a dead worker's.

    seconds: how long a worker may be silent. Cancelling a request closes its connection, and the worker gives it up.
    """

    def __init__(self, doors: Doors, *, seconds: float) -> None:
        self._doors = doors
        self._seconds = seconds
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    async def ask(self, values: Mapping[str, Any], *, model: str) -> LiveAnswer:
        """The activations that the door's /activations answers. Raises LiveFailure, and CorruptRow on other bytes."""
        return read_live_answer(await self.post("/activations", values, model=model))

    async def post(self, path: str, values: Mapping[str, Any], *, model: str) -> bytes:
        """A whole answer. model: slug of the model that is asked for. Raises LiveFailure."""
        async with self.stream(path, values, model=model) as parts:
            return b"".join([part async for part in parts])

    @asynccontextmanager
    async def stream(self, path: str, values: Mapping[str, Any], *, model: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """An answer as it comes: entering waits for its beginning, and reading on may raise LiveFailure too.

        A worker that cannot be reached, or is busy, is passed over for the next; one that began is not.
        """
        doors = await run_in_threadpool(self._doors.in_turn, model)
        body = json.dumps(values).encode()
        async with self._client() as client:
            answer, door = await self._first(client, doors, path, body)
            try:
                yield self._parts(answer, door)
            finally:
                await answer.aclose()

    def _client(self) -> httpx.AsyncClient:
        transport = httpx.AsyncHTTPTransport(verify=self._tls, socket_options=KEEPALIVE)
        timeout = httpx.Timeout(self._seconds, connect=CONNECT_SECONDS)
        return httpx.AsyncClient(transport=transport, timeout=timeout, trust_env=False)

    async def _first(
        self, client: httpx.AsyncClient, doors: tuple[Door, ...], path: str, body: bytes
    ) -> tuple[httpx.Response, Door]:
        """The first answer that is none of "I am not there" and "I am busy"."""
        failure: LiveFailure | None = None
        for door in doors:
            try:
                answer = await self._begun(client, door, path, body)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                log.warning("The live door at %s cannot be reached: %s", door.address, error or type(error).__name__)
                continue
            if answer.status_code == httpx.codes.OK:
                return answer, door
            failure = await self._failure(answer, door)
            if failure.status != httpx.codes.TOO_MANY_REQUESTS:
                break
        raise failure or no_worker()

    async def _begun(self, client: httpx.AsyncClient, door: Door, path: str, body: bytes) -> httpx.Response:
        headers = {"Authorization": f"Bearer {door.secret}", "Content-Type": "application/json"}
        request = client.build_request("POST", door.address + path, content=body, headers=headers)
        try:
            return await client.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise
        except httpx.TransportError as error:
            raise self._broken(door, error) from error

    async def _parts(self, answer: httpx.Response, door: Door) -> AsyncIterator[bytes]:
        try:
            async for part in answer.aiter_raw():
                yield part
        except httpx.TransportError as error:
            raise self._broken(door, error) from error

    def _broken(self, door: Door, error: httpx.TransportError) -> LiveFailure:
        log.warning("The live door at %s broke off: %s", door.address, error or type(error).__name__)
        return (
            too_slow(door.address, self._seconds) if isinstance(error, httpx.TimeoutException) else lost(door.address)
        )

    async def _failure(self, answer: httpx.Response, door: Door) -> LiveFailure:
        """What the worker said is wrong."""
        said = b"".join([part async for part in self._parts(answer, door)])
        await answer.aclose()
        return _told(answer.status_code, said, door)


def _told(status: int, said: bytes, door: Door) -> LiveFailure:
    try:
        error = json.loads(said)["error"]
        code, message, hint = str(error["code"]), str(error["message"]), str(error["hint"])
    except (ValueError, KeyError, TypeError):
        log.error("The live door at %s answered %d with something else: %r", door.address, status, said[:200])
        return LiveFailure(f"What answers at {door.address} is no live door.", status=502, code="worker_error")
    is_ours = status < httpx.codes.INTERNAL_SERVER_ERROR or status == httpx.codes.SERVICE_UNAVAILABLE
    if status == httpx.codes.UNAUTHORIZED or not is_ours:
        status = httpx.codes.BAD_GATEWAY
    retry = 1 if status == httpx.codes.TOO_MANY_REQUESTS else None
    return LiveFailure(message, status=int(status), code=code, hint=hint, retry_after_s=retry)
