"""Compression of answers, for those to whom bytes travel over a network."""

import ipaddress

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Receive, Scope, Send


class RemoteGZip(GZipMiddleware):
    """Compresses for other machines only: on loopback it would cost more time than it saves."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with its answer compressed where the client is not on this machine."""
        app = self.app if _is_local(scope) else super().__call__
        await app(scope, receive, send)


def _is_local(scope: Scope) -> bool:
    client = scope.get("client")
    if client is None:
        return False
    try:
        return ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False
