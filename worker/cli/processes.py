"""The processes of one machine, started together and stopped together."""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from worker.jobs.errors import JobError

STOP_SECONDS = 8.0
LOOK_EVERY_SECONDS = 0.2


class PortInUse(JobError):
    """Something else listens on the port."""


@dataclass(slots=True)
class Processes:
    """Children of this process by name. Leaving the `with` block stops them all."""

    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, arguments: Sequence[str]) -> None:
        """Start a verb of our own in a process of its own."""
        self.running[name] = subprocess.Popen([sys.executable, "-m", "featurescope", *arguments])

    def check(self) -> None:
        """Raises JobError where one of them has ended by itself."""
        for name, process in self.running.items():
            if (code := process.poll()) is not None:
                raise JobError(f"The {name} has stopped with exit code {code}; its message is above.")

    def wait(self) -> None:
        """Until one of them ends, which raises JobError, or SIGINT or SIGTERM comes, which raises KeyboardInterrupt."""
        while True:
            self.check()
            time.sleep(LOOK_EVERY_SECONDS)

    def stop(self) -> None:
        """Ask all of them to end, then make them."""
        for process in self.running.values():
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in self.running.values():
            try:
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def __enter__(self) -> "Processes":
        signal.signal(signal.SIGTERM, _interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def app_arguments(options: argparse.Namespace, *, access_log: bool = True) -> list[str]:
    """The command line of the app, from the options of `add_address`."""
    public = ["--public"] if options.public else []
    names = [word for name in options.allow_host for word in ("--allow-host", name)]
    quiet = [] if access_log else ["--no-access-log"]
    return ["serve", "--host", options.host, "--port", str(options.port), *public, *names, *quiet]


def worker_arguments() -> list[str]:
    """The command line of a worker that ends when this process does."""
    return ["worker", "--parent", str(os.getpid())]


def check_port_is_free(host: str, port: int) -> None:
    """Raises PortInUse where something listens there, before anything is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortInUse(
                f"Port {port} on {host} cannot be used: {error.strerror}. Stop what runs there, or choose another with "
                f"--port {port + 1} (make demo PORT={port + 1})."
            ) from error


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
