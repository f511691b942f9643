"""Serves the live door from a thread of the worker's process, with an event loop of its own."""

import errno
import socket
import threading

import uvicorn
from starlette.applications import Starlette

from worker.live.errors import LiveError

BACKLOG = 256


def listen(host: str, port: int) -> socket.socket:
    """A socket on which requests wait. Raises LiveError where the port cannot be had; port 0 takes a free one.

    Its protocol is named because asyncio sends without delay only on sockets that say they are TCP.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        way_out = "Set FEATURESCOPE_LIVE_PORT to a free one, or to 0." if error.errno == errno.EADDRINUSE else ""
        raise LiveError(
            f"The live door cannot listen on {host} port {port}: {error.strerror or error}. {way_out}".strip()
        ) from error
    return listener


def address_of(listener: socket.socket, host: str) -> str:
    """What the app connects to. Where the door is open on every address, this machine's name."""
    name = socket.gethostname() if host in ("0.0.0.0", "::", "") else host
    return f"http://{f'[{name}]' if ':' in name else name}:{listener.getsockname()[1]}"


def serve(app: Starlette, listener: socket.socket) -> uvicorn.Server:
    """Answer from now on. Set `should_exit` of what is returned to end it; a worker that leaves need not."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, log_level="warning", access_log=False, lifespan="off"))
    threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="live-door", daemon=True).start()
    return server
