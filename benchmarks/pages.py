"""Server time of feature pages, asked for one after the other from a real server on a harvested catalog.

Needs a catalog with a complete harvest, such as a finished demo: FEATURESCOPE_HOME (and FEATURESCOPE_DATABASE_URL)
say where it is, as for every command. The time is the server's own, from the Server-Timing header: from the request's
arrival to the first byte of the answer. Beside it stand the same server's answers that touch neither features nor
the catalog (/api), which is what a request costs at least. Prints one JSON object as the last line.

    FEATURESCOPE_HOME=./featurescope-data python -m benchmarks.pages [--pages 300]
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from statistics import median
from typing import Any

from benchmarks.demo import free_port
from benchmarks.machine import describe_machine

STARTS_WITHIN_S = 30


def main() -> int:
    """Measure and print; 1 where no dictionary has been harvested."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=300, help="features asked for, evenly spread (default 300)")
    options = parser.parse_args()
    port = free_port()
    command = [sys.executable, "-m", "featurescope", "serve", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=dict(os.environ))
    try:
        client = _Client(port, process)
        figures = {slug: _measure(client, slug, d_sae, options.pages) for slug, d_sae in _dictionaries(client)}
        floor = _summary([client.get("/api") for _ in range(options.pages)])
    finally:
        process.terminate()
        process.wait(timeout=30)
    print(json.dumps({"pages": figures, "least_request": floor, "machine": describe_machine()}))
    return 0 if figures else 1


class _Client:
    """One connection that is kept, as a browser's is."""

    def __init__(self, port: int, server: subprocess.Popen[bytes]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        until = time.monotonic() + STARTS_WITHIN_S
        while True:
            try:
                self._connection.connect()
                return
            except ConnectionRefusedError:
                if time.monotonic() > until or server.poll() is not None:
                    raise SystemExit("The server did not start; what it said stands above.") from None
                time.sleep(0.1)

    def get(self, path: str) -> tuple[float, bytes]:
        """Server time in ms, and the body."""
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != http.client.OK:
            raise SystemExit(f"{path} answered {answer.status}.")
        return float(answer.getheader("Server-Timing", "").partition("dur=")[2]), body


def _dictionaries(client: _Client) -> list[tuple[str, int]]:
    records = json.loads(client.get("/api/v1/dictionaries")[1])["dictionaries"]
    done = [record for record in records if record["harvest"] and record["harvest"]["status"] == "complete"]
    return [(record["slug"], record["d_sae"]) for record in done]


def _measure(client: _Client, slug: str, d_sae: int, pages: int) -> dict[str, Any]:
    """A few pages unmeasured, then the rest."""
    for index in range(min(20, d_sae)):
        client.get(f"/d/{slug}/{index}")
    step = max(1, d_sae // pages)
    figures = _summary(client.get(f"/d/{slug}/{index}") for index in range(0, d_sae, step))
    print(f"{slug}: {figures}", flush=True)
    return figures


def _summary(answers: Iterable[tuple[float, bytes]]) -> dict[str, float]:
    found = list(answers)
    times = sorted(ms for ms, _ in found)
    sizes = sorted(len(body) for _, body in found)
    tail = min(len(found) - 1, int(0.9 * len(found)))
    return {
        "ms_median": round(median(times), 2),
        "ms_p90": times[tail],
        "kb_median": round(median(sizes) / 1000, 1),
        "kb_p90": round(sizes[tail] / 1000, 1),
        "pages": len(found),
    }


if __name__ == "__main__":
    sys.exit(main())
