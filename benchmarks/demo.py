"""How long `featurescope demo` takes, in a new home folder, from the command to a full first feature page.

Set-up (make setup) is done before. The clock runs from the start of the process until the page of a feature of the
first dictionary answers with contexts, a histogram and logit effects; the JSON twin says so. Prints each stage when it
is reached and, as the last line, one JSON object: seconds, and seconds by stage.

    python -m benchmarks.demo [--limit 600]
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOOK_EVERY_SECONDS = 0.25
MOST_FEATURES_TRIED = 50


def main() -> int:
    """Run it once; the exit code is 1 where the page does not come within the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=float, default=600.0, help="give up after so many seconds (default 600)")
    options = parser.parse_args()
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="featurescope-demo-") as home:
        began = time.perf_counter()
        process = _start(Path(home), port)
        try:
            stages = watch(f"http://127.0.0.1:{port}", began, lambda: process.poll() is None, limit=options.limit)
        finally:
            process.terminate()
            process.wait(timeout=30)
    seconds = stages.get("full feature page")
    print(json.dumps({"seconds": seconds, "stages": stages, "cores": os.cpu_count()}))
    return 0 if seconds is not None else 1


def watch(url: str, began: float, lives: Callable[[], bool], *, limit: float) -> dict[str, float]:
    """Seconds at which each stage was reached, in order; those that were not are left out."""
    looks: list[tuple[str, Callable[[], bool]]] = [
        ("pages up", lambda: _get(f"{url}/healthz") is not None),
        ("dictionaries registered", lambda: bool(_dictionaries(url))),
        ("harvest begun", lambda: any(record["harvest"] for record in _dictionaries(url))),
        ("harvest complete", lambda: _harvested(url) is not None),
        ("full feature page", lambda: _has_full_page(url)),
    ]
    reached: dict[str, float] = {}
    for stage, look in looks:
        while not look():
            if time.perf_counter() - began > limit or not lives():
                return reached
            time.sleep(LOOK_EVERY_SECONDS)
        reached[stage] = round(time.perf_counter() - began, 2)
        print(f"{reached[stage]:8.2f} s  {stage}", flush=True)
    return reached


def _start(home: Path, port: int) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "FEATURESCOPE_HOME": str(home)}
    environment.pop("FEATURESCOPE_DATABASE_URL", None)
    command = [sys.executable, "-m", "featurescope", "demo", "--port", str(port)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


def _dictionaries(url: str) -> list[dict[str, Any]]:
    answer = _get_json(f"{url}/api/v1/dictionaries")
    return [] if answer is None else answer["dictionaries"]


def _harvested(url: str) -> str | None:
    """The slug of the first dictionary whose harvest is complete."""
    done = (record for record in _dictionaries(url) if record["harvest"] and record["harvest"]["status"] == "complete")
    return next((record["slug"] for record in done), None)


def _has_full_page(url: str) -> bool:
    """Whether some live feature of the first harvested dictionary has everything, on its page and in its JSON."""
    slug = _harvested(url)
    answer = _get_json(f"{url}/api/v1/dictionaries/{slug}/features?sort=density&order=desc&limit={MOST_FEATURES_TRIED}")
    for feature in [] if answer is None else answer["features"]:
        found = _get_json(f"{url}/api/v1/dictionaries/{slug}/features/{feature['index']}")
        parts = ("top_contexts", "bands", "histogram", "promoted", "token_statistics", "neighbours")
        if found is not None and all(found[part] for part in parts):
            return _get(f"{url}/d/{slug}/{feature['index']}") is not None
    return False


def _get_json(url: str) -> dict[str, Any] | None:
    body = _get(url)
    return None if body is None else json.loads(body)


def _get(url: str) -> bytes | None:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    sys.exit(main())
