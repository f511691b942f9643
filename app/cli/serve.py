"""featurescope serve: the web application on a port of this machine."""

import argparse
import errno
import gc
import ipaddress
import json
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace
from types import FrameType

import uvicorn

from app.account_acts import read
from app.failures import AppError
from app.label_stream.notifier import Notifier
from app.main import create_app
from app.people.asking import OWNER
from app.settings import LOOPBACK_HOSTS, AppSettings
from catalog.engine import make_engine
from catalog.revision import check_revision

DEFAULT_PORT = 8000
LAST_PORT = 65_535
BACKLOG = 2_048
STOP_SECONDS = 3


class ServeError(AppError):
    """The server cannot start as asked."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb until stopped. Returns the exit code; what the catalog raises goes to the caller."""
    options = _parser().parse_args(argv)
    try:
        settings = AppSettings.from_environment()
        if not 0 <= options.port <= LAST_PORT:
            raise ServeError(f"--port {options.port}: a port is a number from 0 to {LAST_PORT}; 0 takes a free one.")
        settings = replace(_with_hosts(settings, options), access_log=options.access_log)
        check_revision(make_engine(settings.catalog.database_url))
        app = create_app(settings)
        listener = listen(options.host, options.port)
    except AppError as error:
        print(error, file=sys.stderr)
        return 1
    _announce(options, listener.getsockname()[1], settings)
    # What is loaded by now stays for good, and need not be looked through each time garbage is collected (0.1 s).
    gc.collect()
    gc.freeze()
    # Our own layer writes the line for each request, and the server's warnings go where all other lines go.
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=options.behind_proxy,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    Server(config, app.state.site.notifier).run(sockets=[listener])
    return 0


class Server(uvicorn.Server):
    """Ends the streams of open pages when it is asked to stop: by themselves they never would."""

    def __init__(self, config: uvicorn.Config, notifier: Notifier) -> None:
        super().__init__(config)
        self._notifier = notifier

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop, as the signal asks."""
        self._notifier.end()
        super().handle_exit(sig, frame)


def listen(host: str, port: int) -> socket.socket:
    """A socket on which requests wait until they are taken. Raises ServeError naming what is in the way.

    Its protocol is named because asyncio sends without delay only on sockets that say they are TCP; else the body of
    an answer waits 40 ms for the client to acknowledge its headers.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ServeError(_reason(host, port, error)) from error
    return listener


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host in LOOPBACK_HOSTS:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _with_hosts(settings: AppSettings, options: argparse.Namespace) -> AppSettings:
    """Settings that answer to the names asked for.

    Raises ServeError on a public address asked for once only, where nobody has to sign in.
    """
    if settings.auth == "off" and not is_loopback(options.host) and not options.public:
        raise ServeError(
            f"{options.host!r} can be reached by other machines, and there is no sign-in: whoever reaches it is the "
            "owner, sees everything and may change everything. Let people sign in, with FEATURESCOPE_AUTH=accounts; "
            "or, if that is meant, say so again: add --public, and --allow-host NAME for the names it goes by."
        )
    named = tuple(name.lower() for name in options.allow_host)
    own = () if options.host in ("0.0.0.0", "::") else (options.host.lower(),)
    return replace(settings, allowed_hosts=(*settings.allowed_hosts, *own, *named))


def _reason(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} of {host} is in use by another program. Choose another: featurescope serve --port {port + 1}"
        )
    if error.errno == errno.EACCES:
        return (
            f"Port {port} needs more rights than this user has. Choose one above 1023, such as --port {DEFAULT_PORT}."
        )
    return f"Cannot listen on {host} port {port}: {error.strerror or error}."


def _announce(options: argparse.Namespace, port: int, settings: AppSettings) -> None:
    host = f"[{options.host}]" if ":" in options.host else options.host
    url = f"http://{host}:{port}/"
    if options.json:
        you = OWNER.name if settings.auth == "off" else None
        print(json.dumps({"url": url, "sign_in": settings.auth, "you_are": you}), flush=True)
        return
    print(f"Featurescope is at {url} (Ctrl-C stops it)", flush=True)
    for line in _about_people(settings):
        print(line, flush=True)
    if settings.auth != "off" and not is_loopback(options.host):
        print("Passwords cross the network as they are typed: put a proxy with HTTPS in front of it.", flush=True)


def _about_people(settings: AppSettings) -> list[str]:
    if settings.auth == "off":
        return [f"There is no sign-in: whoever opens it is the {OWNER.name} and may do everything."]
    reads = "everybody may read" if settings.anonymous_reading else "reading takes it too"
    lines = [f"People sign in with a password; {reads}."]
    if not read(make_engine(settings.catalog.database_url), lambda people: people.has_admin()):
        lines.append("There is no admin yet. Make one: featurescope people add NAME --role admin")
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="featurescope serve",
        description="Serve the pages of this catalog. They work, read-only, when no worker is up.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help=f"port (default: {DEFAULT_PORT}; 0 takes a free one)"
    )
    parser.add_argument("--public", action="store_true", help="yes, listen where other machines can reach it")
    parser.add_argument("--allow-host", action="append", default=[], metavar="NAME", help="a further name to answer to")
    parser.add_argument("--behind-proxy", action="store_true", help="trust X-Forwarded headers of a proxy in front")
    parser.add_argument(
        "--access-log",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="write a line to the log for every request (default: yes)",
    )
    parser.add_argument("--log-format", choices=["plain", "json"], help="how the log on stderr is written")
    parser.add_argument("--json", action="store_true", help="announce the address as one JSON object")
    return parser
