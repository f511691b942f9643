"""Server time of pages and lists of a catalog of 1,000,000 features, on SQLite and on PostgreSQL.

The catalog is built once under build/pages (5 GB on each database; `pages_catalog.py` says how) and found again. Each
database gets a server of its own, which is asked over one connection that is kept; the time is the server's own, from
the Server-Timing header: from the request's arrival to the first byte of the answer. Beside it stand the same server's
answers that touch neither features nor the catalog (/api), which is what a request costs at least, and the processor
time of the server's process a request, which other work on the machine hardly changes. Then so many clients ask at
once (--clients), from a process of the same machine. Prints one JSON object as the last line; p50_ms, p99_ms and
html_bytes are of feature pages, on the slower of the databases that were measured.

    python -m benchmarks.pages [--database sqlite|postgres|both] [--quick]
    FEATURESCOPE_HOME=./featurescope-data python -m benchmarks.pages --here     # the pages of a catalog that is there
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.machine import describe_machine
from benchmarks.page_places import API, feature_indices, filtered_lists, page_of, plain_lists
from benchmarks.page_server import Answer, Client, PageServer, crowd, serving
from benchmarks.pages_catalog import BuiltCatalog, database_bytes, postgres_catalog, sqlite_catalog
from benchmarks.synthetic_catalog import DICTIONARY
from benchmarks.synthetic_features import SyntheticHarvest
from catalog.engine import make_engine

FEATURES, QUICK_FEATURES = 1_000_000, 16_384
KINDS = ("sqlite", "postgres")
UNMEASURED = 50
"""Pages asked for before any is measured: the server reads its vocabulary with the first."""
TIMES = 3
"""How often each list is asked for."""
SLOWEST_NAMED = 5


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where an answer of the crowd was an error, or there was nothing to measure."""
    options = _parser().parse_args(argv)
    if options.here:
        return _here(options)
    harvest = SyntheticHarvest(
        d_sae=QUICK_FEATURES if options.quick else options.features,
        tokens=10_000_000,
        l0=64.0 if options.quick else 200.0,
        n_ctx=128,
        d_vocab=50_257,
    )
    kinds = KINDS if options.database == "both" else (options.database,)
    found = {kind: _measure(_catalog(kind, harvest), harvest, options) for kind in kinds}
    worst = {
        "p50_ms": max(each["feature_pages"]["p50_ms"] for each in found.values()),
        "p99_ms": max(each["feature_pages"]["p99_ms"] for each in found.values()),
        "html_bytes": max(each["feature_pages"]["greatest_bytes"] for each in found.values()),
    }
    print(json.dumps({**worst, "features": harvest.d_sae, **found, "machine": describe_machine()}))
    return 1 if any(each["crowd"]["errors"] for each in found.values()) else 0


def _catalog(kind: str, harvest: SyntheticHarvest) -> AbstractContextManager[BuiltCatalog]:
    return sqlite_catalog(harvest) if kind == "sqlite" else postgres_catalog(harvest)


def _measure(catalog: AbstractContextManager[BuiltCatalog], harvest: SyntheticHarvest, options: Any) -> dict[str, Any]:
    with catalog as built, tempfile.TemporaryDirectory(prefix="featurescope-pages-") as home:
        engine = make_engine(built.url)
        lists = {"plain": plain_lists(engine, harvest.d_sae), "filtered": filtered_lists()}
        size = database_bytes(engine)
        engine.dispose()
        with serving({"FEATURESCOPE_HOME": home, "FEATURESCOPE_DATABASE_URL": built.url}) as server:
            visit = _Visit(server, harvest.d_sae, options)
            return {
                "built_s": round(built.seconds, 1),
                "bytes_per_feature": round(size / harvest.d_sae),
                **visit.one_client(lists),
                "crowd": visit.many_clients(lists),
                "server_mb": round(server.memory_mb),
            }


@dataclass(frozen=True, slots=True)
class _Visit:
    """All that one server is asked for."""

    server: PageServer
    d_sae: int
    options: Any

    def one_client(self, lists: dict[str, dict[str, str]]) -> dict[str, Any]:
        """One request after the other."""
        client = Client(self.server.port)
        indices = feature_indices(self.d_sae, UNMEASURED + self.options.pages, seed=1)
        for index in indices[:UNMEASURED]:
            client.get(page_of(index))
        measured = indices[UNMEASURED:]
        asked = {
            "least_request": ["/api"] * len(measured),
            "feature_pages": [page_of(index) for index in measured],
            "feature_json": [f"{API}/{index}" for index in measured],
            "home": ["/"] * 50,
            "compare": [_pair(pair) for pair in zip(measured[:50], measured[50:100], strict=True)],
        }
        found: dict[str, Any] = {name: self._asked(client, paths)[0] for name, paths in asked.items()}
        found["random"] = _figures([client.ask(f"/d/{DICTIONARY}/random") for _ in range(50)])
        for name, queries in lists.items():
            found[f"{name}_lists"] = self._lists(client, f"/d/{DICTIONARY}", queries)
            found[f"{name}_lists_json"] = self._lists(client, API, queries)
        return found

    def _asked(self, client: Client, paths: Sequence[str]) -> tuple[dict[str, Any], list[Answer]]:
        """Figures over all the paths, and the answers. cpu_ms: processor time of the server's process a request."""
        before = self.server.processor_s
        answers = [client.get(path) for path in paths]
        cpu_ms = 1_000 * (self.server.processor_s - before) / max(len(paths), 1)
        return {**_figures(answers), "cpu_ms": round(cpu_ms, 2)}, answers

    def _lists(self, client: Client, address: str, lists: dict[str, str]) -> dict[str, Any]:
        """Each list some times; its figures are over all, and the slowest are named by the median of theirs."""
        figures, answers = self._asked(client, [f"{address}?{asked}" for asked in lists.values() for _ in range(TIMES)])
        times = np.array([answer.server_ms for answer in answers]).reshape(len(lists), TIMES)
        medians = dict(zip(lists, np.median(times, axis=1).round(2).tolist(), strict=True))
        slowest = sorted(medians, key=lambda name: -medians[name])[:SLOWEST_NAMED]
        return {**figures, "slowest": {name: medians[name] for name in slowest}}

    def many_clients(self, lists: dict[str, dict[str, str]]) -> dict[str, Any]:
        """Feature pages, and a list for every four of them."""
        indices = feature_indices(self.d_sae, 4_000, seed=2)
        asked = [f"/d/{DICTIONARY}?{query}" for queries in lists.values() for query in queries.values()]
        paths: list[str] = []
        for number, index in enumerate(indices):
            paths.append(page_of(index))
            if number % 4 == 3:
                paths.append(asked[number // 4 % len(asked)])
        began = time.perf_counter()
        answers, failures = crowd(self.server, paths, clients=self.options.clients, seconds=self.options.seconds)
        seconds = time.perf_counter() - began
        times = [answer.client_ms for answer in answers]
        return {
            "clients": self.options.clients,
            "requests_per_second": round(len(answers) / seconds, 1),
            "p50_ms": round(float(np.percentile(times, 50)), 1),
            "p99_ms": round(float(np.percentile(times, 99)), 1),
            "requests": len(answers),
            "errors": failures + sum(answer.status != 200 for answer in answers),
        }


def _pair(indices: tuple[int, int]) -> str:
    return f"/compare?a={DICTIONARY}/{indices[0]}&b={DICTIONARY}/{indices[1]}"


def _here(options: Any) -> int:
    """Feature pages of every dictionary with a complete harvest in the catalog that the environment names."""
    with serving({}) as server:
        client = Client(server.port)
        figures = {}
        for slug, d_sae in _dictionaries(client):
            indices = feature_indices(d_sae, UNMEASURED + options.pages, seed=1)
            answers = [client.get(f"/d/{slug}/{index}") for index in indices]
            figures[slug] = _figures(answers[min(UNMEASURED, len(answers) // 2) :])
            print(f"{slug}: {figures[slug]}", flush=True)
        floor = _figures(client.get("/api") for _ in range(options.pages))
    print(json.dumps({"pages": figures, "least_request": floor, "machine": describe_machine()}))
    return 0 if figures else 1


def _dictionaries(client: Client) -> list[tuple[str, int]]:
    records = json.loads(client.get("/api/v1/dictionaries").body)["dictionaries"]
    done = [record for record in records if record["harvest"] and record["harvest"]["status"] == "complete"]
    return [(record["slug"], record["d_sae"]) for record in done]


def _figures(answers: Iterable[Answer]) -> dict[str, float]:
    """Over some answers."""
    found = list(answers)
    times, sizes = [answer.server_ms for answer in found], [len(answer.body) for answer in found]
    return {
        "p50_ms": round(float(np.percentile(times, 50)), 2),
        "p90_ms": round(float(np.percentile(times, 90)), 2),
        "p99_ms": round(float(np.percentile(times, 99)), 2),
        "median_bytes": round(float(np.median(sizes))),
        "greatest_bytes": max(sizes),
        "requests": len(found),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pages", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--features", type=int, default=FEATURES, help="of the dictionary (default %(default)s)")
    parser.add_argument("--database", choices=(*KINDS, "both"), default="both")
    parser.add_argument("--pages", type=int, default=1_000, help="features asked for (default %(default)s)")
    parser.add_argument("--clients", type=int, default=32, help="at once (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=30.0, help="that these ask for (default %(default)s)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_FEATURES:,} features")
    parser.add_argument("--here", action="store_true", help="measure the catalog that the environment names")
    return parser


if __name__ == "__main__":
    sys.exit(main())
