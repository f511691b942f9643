"""How the app is set up. The only file of this package that reads the environment."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.failures import AppError
from catalog.settings import CatalogSettings

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1", "[::1]")
LIVE_TIMEOUT_SECONDS = 300.0
LIVE_BODY_MB = 8.0
PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class AppSettings:
    """What `create_app` needs to know.

    allowed_hosts: names the server answers to; loopback names unless others are given.
    path_prefix: what a proxy puts before every path. guide: the curated start page, which may be missing.
    access_log: write a line for every request. live_timeout_s: how long a worker may be silent over a live request;
    live_body_bytes: the longest live request that is read.
    """

    catalog: CatalogSettings
    allowed_hosts: tuple[str, ...] = LOOPBACK_HOSTS
    path_prefix: str = ""
    guide: Path = PROJECT / "assets" / "demo.json"
    access_log: bool = True
    live_timeout_s: float = LIVE_TIMEOUT_SECONDS
    live_body_bytes: int = int(LIVE_BODY_MB * 2**20)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> "AppSettings":
        """Settings from FEATURESCOPE_ALLOWED_HOSTS (comma separated, beside loopback), FEATURESCOPE_PATH_PREFIX and
        FEATURESCOPE_LIVE_TIMEOUT_SECONDS, _MAX_BODY_MB. Raises AppError on a number that is none.
        """
        environ = os.environ if environ is None else environ
        named = environ.get("FEATURESCOPE_ALLOWED_HOSTS", "").split(",")
        hosts = tuple(host.strip().lower() for host in named if host.strip())
        return cls(
            catalog=CatalogSettings.from_environment(environ),
            allowed_hosts=LOOPBACK_HOSTS + hosts,
            path_prefix=environ.get("FEATURESCOPE_PATH_PREFIX", "").rstrip("/"),
            live_timeout_s=_number(environ, "FEATURESCOPE_LIVE_TIMEOUT_SECONDS", LIVE_TIMEOUT_SECONDS),
            live_body_bytes=int(_number(environ, "FEATURESCOPE_LIVE_MAX_BODY_MB", LIVE_BODY_MB) * 2**20),
        )


def _number(environ: Mapping[str, str], name: str, usual: float) -> float:
    text = environ.get(name) or str(usual)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise AppError(f"{name} is {text!r}; it is a number above 0.")
    return value
