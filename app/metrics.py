"""Counts and durations of requests, as Prometheus reads them, and as Server-Timing for people."""

import time

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from sqlalchemy import Engine
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.catalog_figures import CatalogFigures

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


class Metrics:
    """The figures of one process of the app, in a registry of its own. What several add up to is Prometheus's work."""

    def __init__(self, engine: Engine) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(CatalogFigures(engine))
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "featurescope_requests", "Requests answered", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "featurescope_request_seconds",
            "Server time until an answer begins",
            ["route"],
            buckets=BUCKETS,
            registry=self.registry,
        )


class Stopwatch:
    """Measures each request until its answer begins."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note how long its answer took to begin."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()

        async def send_timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                seconds = time.perf_counter() - started
                MutableHeaders(scope=message)["Server-Timing"] = f"app;dur={seconds * 1000:.2f}"
                self._note(scope, str(message["status"]), seconds)
            await send(message)

        await self._app(scope, receive, send_timed)

    def _note(self, scope: Scope, status: str, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        self._metrics.requests.labels(route, status).inc()
        self._metrics.seconds.labels(route).observe(seconds)
