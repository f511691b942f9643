"""A server of its own for a catalog, and what asks it: one client after the other, or many at once."""

import http.client
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from benchmarks.demo import free_port

STARTS_WITHIN_S = 30
ANSWERS_WITHIN_S = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. server_ms: the server's own time, from the request's arrival to the first byte of the answer."""

    status: int
    server_ms: float
    client_ms: float
    body: bytes


@dataclass(frozen=True, slots=True)
class PageServer:
    """`featurescope serve` as a process."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def memory_mb(self) -> float:
        """Memory that the process holds now, in MB (2**20 bytes)."""
        return psutil.Process(self.process.pid).memory_info().rss / 2**20

    @property
    def processor_s(self) -> float:
        """Processor time that the process has used so far, in seconds. That of PostgreSQL is not in it."""
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system


@contextmanager
def serving(environment: Mapping[str, str]) -> Iterator[PageServer]:
    """A server that the environment tells where its catalog is, on a free port, as long as this lasts."""
    port = free_port()
    command = [sys.executable, "-m", "featurescope", "serve", "--port", str(port)]
    environment = {**os.environ, **environment}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        server = PageServer(port, process)
        _wait_for(server)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=30)


class Client:
    """One connection that is kept, as a browser's is."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWERS_WITHIN_S)

    def ask(self, path: str) -> Answer:
        """Whatever is answered."""
        began = time.perf_counter()
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        body = answer.read()
        took = 1_000 * (time.perf_counter() - began)
        timing = answer.getheader("Server-Timing", "").partition("dur=")[2]
        return Answer(answer.status, float(timing or "nan"), took, body)

    def get(self, path: str) -> Answer:
        """The answer. Raises SystemExit where it is another than 200."""
        answer = self.ask(path)
        if answer.status != http.client.OK:
            raise SystemExit(f"{path} answered {answer.status}.")
        return answer


def crowd(server: PageServer, paths: Sequence[str], *, clients: int, seconds: float) -> tuple[list[Answer], int]:
    """So many clients at once, each asking for one path after the other; answers without bodies, and failures.

    They run on the server's own machine and take a part of its processors.
    """
    answers: list[Answer] = []
    failures = itertools.count()
    until = time.monotonic() + seconds

    def visit(first: int) -> None:
        client = Client(server.port)
        for number in itertools.count(first, clients):
            if time.monotonic() > until:
                return
            try:
                found = client.ask(paths[number % len(paths)])
            except (OSError, http.client.HTTPException):
                next(failures)
                client = Client(server.port)
                continue
            answers.append(Answer(found.status, found.server_ms, found.client_ms, b""))

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers, next(failures)


def _wait_for(server: PageServer) -> None:
    until = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            Client(server.port).get("/healthz")
            return
        except OSError:
            if time.monotonic() > until or server.process.poll() is not None:
                raise SystemExit("The server did not start. Try: featurescope serve, and read what it says.") from None
            time.sleep(0.1)
