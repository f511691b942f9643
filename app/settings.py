"""How the app is set up. The only file of this package that reads the environment."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from app.failures import AppError
from catalog.settings import CatalogSettings

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1", "[::1]")
LIVE_TIMEOUT_SECONDS = 300.0
LIVE_BODY_MB = 8.0
SESSION_DAYS = 30.0
INVITATION_HOURS = 72.0
SHORTEST_SECRET = 32
Auth = Literal["off", "accounts"]
PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class AppSettings:
    """What `create_app` needs to know.

    allowed_hosts: names the server answers to; loopback names unless others are given.
    path_prefix: what a proxy puts before every path. guide: the curated start page, which may be missing.
    access_log: write a line for every request. live_timeout_s: how long a worker may be silent over a live request;
    live_body_bytes: the longest live request that is read.
    auth: "off", where whoever comes is the owner, or "accounts". anonymous_reading: with accounts, whoever is not
    signed in may read. session_days, invitation_hours: how long a sign-in and a link last. session_secret: what cookies
    are signed with; None where it lies in a file of the home.
    """

    catalog: CatalogSettings
    allowed_hosts: tuple[str, ...] = LOOPBACK_HOSTS
    path_prefix: str = ""
    guide: Path = PROJECT / "assets" / "demo.json"
    access_log: bool = True
    live_timeout_s: float = LIVE_TIMEOUT_SECONDS
    live_body_bytes: int = int(LIVE_BODY_MB * 2**20)
    auth: Auth = "off"
    anonymous_reading: bool = False
    session_days: float = SESSION_DAYS
    invitation_hours: float = INVITATION_HOURS
    session_secret: str | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> "AppSettings":
        """Settings from FEATURESCOPE_ALLOWED_HOSTS (comma separated, beside loopback), FEATURESCOPE_PATH_PREFIX,
        FEATURESCOPE_LIVE_TIMEOUT_SECONDS, _MAX_BODY_MB, FEATURESCOPE_AUTH, _ANONYMOUS_READING, _SESSION_DAYS,
        _INVITATION_HOURS and _SESSION_SECRET. Raises AppError on a value that is none of those expected.
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
            auth="accounts" if _choice(environ, "FEATURESCOPE_AUTH", ("off", "accounts")) == "accounts" else "off",
            anonymous_reading=_choice(environ, "FEATURESCOPE_ANONYMOUS_READING", ("no", "yes")) == "yes",
            session_days=_number(environ, "FEATURESCOPE_SESSION_DAYS", SESSION_DAYS),
            invitation_hours=_number(environ, "FEATURESCOPE_INVITATION_HOURS", INVITATION_HOURS),
            session_secret=_secret(environ),
        )


def _choice(environ: Mapping[str, str], name: str, choices: tuple[str, str]) -> str:
    """The value of a setting, the first of the choices where it is unset: never what somebody did not mean."""
    value = environ.get(name) or choices[0]
    if value not in choices:
        raise AppError(f"{name} is {value!r}; it is {' or '.join(map(repr, choices))}.")
    return value


def _secret(environ: Mapping[str, str]) -> str | None:
    secret = environ.get("FEATURESCOPE_SESSION_SECRET") or None
    if secret is not None and len(secret) < SHORTEST_SECRET:
        raise AppError(
            f"FEATURESCOPE_SESSION_SECRET has {len(secret)} characters; it takes {SHORTEST_SECRET} or more, made by "
            "chance: openssl rand -hex 32."
        )
    return secret


def _number(environ: Mapping[str, str], name: str, usual: float) -> float:
    text = environ.get(name) or str(usual)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise AppError(f"{name} is {text!r}; it is a number above 0.")
    return value
