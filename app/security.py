"""What every request and answer must pass: known hosts, own-origin writes, a strict content policy.

Plain ASGI, so that streams pass through it untouched.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 9 * 2**20
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class BodyTooLong(Exception):
    """A request that did not say how long it is turned out too long."""


class Guard:
    """Refuses foreign hosts, cross-site writes and bodies too long, and marks every answer with the content policy.

    allowed_hosts: names without port, lower case; a name that begins with a dot allows its subdomains.
    most_bytes: the longest body that is taken; forms are read before it is known who sends them.
    is_private: answers are for one person, so nothing but files of `static/` is kept by anybody on the way.
    A page asked for with `embed` may be framed by any site; every other page by none.
    """

    def __init__(
        self, app: ASGIApp, *, allowed_hosts: Iterable[str], most_bytes: int = MOST_BYTES, is_private: bool = False
    ) -> None:
        self._app = app
        self._most_bytes = most_bytes
        self._is_private = is_private
        self._hosts = frozenset(host for host in allowed_hosts if not host.startswith("."))
        self._suffixes = tuple(host for host in allowed_hosts if host.startswith("."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with a refusal."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope["method"], headers)
        app = refusal or self._app
        frames = "*" if _is_embed(scope) else "'none'"

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                marked = MutableHeaders(scope=message)
                marked["Content-Security-Policy"] = f"{CONTENT_POLICY}; frame-ancestors {frames}"
                for name, value in HEADERS.items():
                    marked[name] = value
                if self._is_private and not scope["path"].startswith("/static/"):
                    marked.setdefault("Cache-Control", "private, no-store")
            await send(message)

        await app(scope, _limited(receive, self._most_bytes), send_marked)

    def _refusal(self, method: str, headers: Headers) -> PlainTextResponse | None:
        host = headers.get("host", "")
        if not self._is_known(host_name(host)):
            return PlainTextResponse(
                f"This server does not answer to the name {host_name(host)!r}. "
                "Add it to FEATURESCOPE_ALLOWED_HOSTS to allow it.\n",
                status_code=400,
            )
        if method not in SAFE_METHODS and not _is_own(headers, host):
            return PlainTextResponse("Refused: this request comes from another site.\n", status_code=403)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > self._most_bytes:
            return PlainTextResponse(f"A request has {self._most_bytes:,} bytes at most.\n", status_code=413)
        return None

    def _is_known(self, name: str) -> bool:
        return name in self._hosts or name.endswith(self._suffixes or ("\0",))


def _limited(receive: Receive, most_bytes: int) -> Receive:
    """What comes in. Raises BodyTooLong beyond the limit, which is answered as a body that cannot be read."""
    seen = 0

    async def receive_limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most_bytes:
            raise BodyTooLong(f"The body has more than {most_bytes:,} bytes.")
        return message

    return receive_limited


def host_name(host: str) -> str:
    """The name in a Host header, without its port, lower case; an IPv6 address keeps its brackets."""
    host = host.strip().lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def _is_own(headers: Headers, host: str) -> bool:
    """Whether a write comes from our own pages or from a program rather than another site."""
    site = headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == host.strip().lower()


def _is_embed(scope: Scope) -> bool:
    names = {pair.partition(b"=")[0] for pair in scope.get("query_string", b"").split(b"&")}
    return b"embed" in names and scope["path"].startswith("/d/")
