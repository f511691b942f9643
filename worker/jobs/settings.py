"""What a worker is told by its environment; the only place in the worker that reads it."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from catalog.settings import CatalogSettings
from worker.jobs.errors import JobError
from worker.jobs.sizes import parse_size
from worker.live.limits import LiveLimits

ANY_POSTGRES = re.compile(r"^postgres(ql)?(\+\w+)?://")
HEARTBEAT_SECONDS = 3.0
STALE_SECONDS = 30.0
LAST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """The live door: whether it is open (FEATURESCOPE_LIVE, yes or no) and where (FEATURESCOPE_LIVE_HOST, _PORT).

    port: 0 takes a free one. limits: of requests (FEATURESCOPE_LIVE_MAX_TEXTS and so on, one for each limit).
    memory_mb: what models and dictionaries kept for it may take together (FEATURESCOPE_LIVE_MEMORY_MB); None is a
    quarter of the device's memory.
    """

    is_on: bool = True
    host: str = "127.0.0.1"
    port: int = 0
    limits: LiveLimits = field(default_factory=LiveLimits)
    memory_mb: int | None = None


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Where things are kept and how a worker runs.

    device, dtype: "auto" or what torch calls them (FEATURESCOPE_DEVICE, FEATURESCOPE_DTYPE).
    device_jobs: harvest shards, trainings and tokenisations that one worker runs at a time
    (FEATURESCOPE_DEVICE_JOBS); more than one shares the GPU between them.
    share_device: use a GPU that another worker uses too, where that one is told the same (FEATURESCOPE_SHARE_DEVICE).
    store: folder or URL of what workers share, corpora and partial results (FEATURESCOPE_STORE); None is the home.
    memory_limit: most bytes that a harvest may make this worker hold (FEATURESCOPE_MEMORY_LIMIT, such as 4GiB); None
    for no limit.
    keep_state: whether a finished harvest leaves what lets it grow (FEATURESCOPE_KEEP_STATE, yes or no).
    previews: when pages show a harvest that is not complete, "auto" where that costs little, "always" or "never"
    (FEATURESCOPE_PREVIEWS).
    stale_seconds: a worker not heard of for this long is taken for dead (FEATURESCOPE_STALE_SECONDS).
    metrics_port, metrics_host: where a worker answers Prometheus (FEATURESCOPE_WORKER_METRICS_PORT and _HOST); it does
    not where no port is named, and on this machine alone where no host is.
    """

    catalog: CatalogSettings
    device: str = "auto"
    dtype: str = "auto"
    device_jobs: int = 1
    heartbeat_seconds: float = HEARTBEAT_SECONDS
    stale_seconds: float = STALE_SECONDS
    store: str | None = None
    keep_state: bool = True
    metrics_port: int | None = None
    metrics_host: str = "127.0.0.1"
    share_device: bool = False
    live: LiveSettings = field(default_factory=LiveSettings)
    previews: str = "auto"
    memory_limit: int | None = None

    def memory_limit_beside(self, asked: int | None) -> int | None:
        """The lower of the worker's own limit and one that was asked for; None where there is neither."""
        return min((limit for limit in (self.memory_limit, asked) if limit is not None), default=None)

    @property
    def home(self) -> Path:
        return self.catalog.home

    @property
    def jobs_database_url(self) -> str:
        """DBOS's own tables: a file beside the catalog on SQLite, a schema in the same database on Postgres."""
        if self.on_sqlite:
            return f"sqlite:///{self.home / 'jobs.sqlite'}"
        return ANY_POSTGRES.sub("postgresql://", self.catalog.database_url)

    @property
    def on_sqlite(self) -> bool:
        """Whether the catalog is a file of this machine, which one worker at a time may use."""
        return self.catalog.database_url.startswith("sqlite")


def worker_settings(environment: Mapping[str, str] | None = None) -> WorkerSettings:
    """Settings from the environment. Raises JobError on a number that is none."""
    values = os.environ if environment is None else environment
    return WorkerSettings(
        catalog=CatalogSettings.from_environment(environment),
        device=values.get("FEATURESCOPE_DEVICE", "auto"),
        dtype=values.get("FEATURESCOPE_DTYPE", "auto"),
        device_jobs=int(_number(values, "FEATURESCOPE_DEVICE_JOBS", 1, least=1)),
        heartbeat_seconds=_number(values, "FEATURESCOPE_HEARTBEAT_SECONDS", HEARTBEAT_SECONDS, least=0.05),
        stale_seconds=_number(values, "FEATURESCOPE_STALE_SECONDS", STALE_SECONDS, least=0.1),
        store=values.get("FEATURESCOPE_STORE") or None,
        keep_state=_yes_or_no(values, "FEATURESCOPE_KEEP_STATE", default=True),
        metrics_port=_port(values, "FEATURESCOPE_WORKER_METRICS_PORT"),
        metrics_host=values.get("FEATURESCOPE_WORKER_METRICS_HOST") or "127.0.0.1",
        share_device=_yes_or_no(values, "FEATURESCOPE_SHARE_DEVICE", default=False),
        live=_live_settings(values),
        previews=_one_of(values, "FEATURESCOPE_PREVIEWS", ("auto", "always", "never")),
        memory_limit=_size(values, "FEATURESCOPE_MEMORY_LIMIT"),
    )


def _live_settings(values: Mapping[str, str]) -> LiveSettings:
    usual = LiveLimits()
    most = {
        each.name: int(
            _number(values, f"FEATURESCOPE_LIVE_MAX_{each.name.upper()}", getattr(usual, each.name), least=1)
        )
        for each in fields(LiveLimits)
    }
    memory = int(_number(values, "FEATURESCOPE_LIVE_MEMORY_MB", 0, least=0))
    return LiveSettings(
        is_on=_yes_or_no(values, "FEATURESCOPE_LIVE", default=True),
        host=values.get("FEATURESCOPE_LIVE_HOST") or "127.0.0.1",
        port=_port(values, "FEATURESCOPE_LIVE_PORT") or 0,
        limits=LiveLimits(**most),
        memory_mb=memory or None,
    )


def _one_of(values: Mapping[str, str], name: str, known: tuple[str, ...]) -> str:
    text = values.get(name) or known[0]
    if text not in known:
        raise JobError(f"{name} is {text!r}; it is one of {', '.join(known)}.")
    return text


def _size(values: Mapping[str, str], name: str) -> int | None:
    return parse_size(values[name], name=name) if values.get(name) else None


def _yes_or_no(values: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = values.get(name)
    if text is None:
        return default
    if text not in ("yes", "no"):
        raise JobError(f"{name} is {text!r}; it is yes or no.")
    return text == "yes"


def _port(values: Mapping[str, str], name: str) -> int | None:
    """None where the variable is not set; 0 takes a free port."""
    text = values.get(name)
    if not text:
        return None
    if not text.isdecimal() or int(text) > LAST_PORT:
        raise JobError(f"{name} is {text!r}; a port is a whole number from 0 to {LAST_PORT}.")
    return int(text)


def _number(values: Mapping[str, str], name: str, default: float, *, least: float) -> float:
    text = values.get(name)
    if text is None:
        return default
    try:
        number = float(text)
    except ValueError:
        raise JobError(f"{name} is {text!r}; it is a number of at least {least:g}.") from None
    if not number >= least:
        raise JobError(f"{name} is {text}; it is a number of at least {least:g}.")
    return number
