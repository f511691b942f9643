"""How the app is set up. The only file of this package that reads the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from catalog.settings import CatalogSettings

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1", "[::1]")
PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class AppSettings:
    """What `create_app` needs to know.

    allowed_hosts: names the server answers to; loopback names unless others are given.
    path_prefix: what a proxy puts before every path. guide: the curated start page, which may be missing.
    access_log: write a line for every request.
    """

    catalog: CatalogSettings
    allowed_hosts: tuple[str, ...] = LOOPBACK_HOSTS
    path_prefix: str = ""
    guide: Path = PROJECT / "assets" / "demo.json"
    access_log: bool = True

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> "AppSettings":
        """Settings from FEATURESCOPE_ALLOWED_HOSTS (comma separated, beside loopback) and FEATURESCOPE_PATH_PREFIX."""
        environ = os.environ if environ is None else environ
        named = environ.get("FEATURESCOPE_ALLOWED_HOSTS", "").split(",")
        hosts = tuple(host.strip().lower() for host in named if host.strip())
        return cls(
            catalog=CatalogSettings.from_environment(environ),
            allowed_hosts=LOOPBACK_HOSTS + hosts,
            path_prefix=environ.get("FEATURESCOPE_PATH_PREFIX", "").rstrip("/"),
        )
