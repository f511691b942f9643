"""How a request of a person or a program is read and waited for: never more than so long, never for somebody gone."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from app.live.failures import ClientGone, LiveFailure

Found = TypeVar("Found")


async def read_body(request: Request, *, limit: int) -> bytes:
    """The body of a request. Raises LiveFailure beyond the limit of bytes, ClientGone where it breaks off."""
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > limit:
                raise _too_long(len(body), limit)
    except ClientDisconnect as error:
        raise ClientGone("The request broke off.") from error
    return bytes(body)


async def unless_gone(request: Request, work: Coroutine[Any, Any, Found]) -> Found:
    """What the work gives; it is cancelled, and ClientGone raised, where whoever asked goes away first.

    The body of the request must have been read.
    """
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_until_gone(request))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone("Whoever asked went away.")
        return working.result()
    finally:
        working.cancel()
        gone.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _too_long(value: int, limit: int) -> LiveFailure:
    return LiveFailure(
        f"The request has {value:,} bytes or more; the limit is {limit:,}.",
        status=413,
        code="too_large",
        hint="Send less text at once, or raise FEATURESCOPE_LIVE_MAX_BODY_MB where the app runs.",
    )
