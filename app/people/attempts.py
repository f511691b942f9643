"""How often somebody may knock where secrets are tried or made. Each process counts by itself."""

import hashlib
import ipaddress
import time
from collections.abc import Mapping
from typing import Literal

from fastapi import Request
from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from app.failures import AppError

Door = Literal["sign-in", "sign-in of one name", "invitation", "token", "password", "password of one name", "bearer"]
ALLOWED: Mapping[Door, RateLimitItem] = {
    "sign-in": RateLimitItemPerMinute(10),
    "sign-in of one name": RateLimitItemPerHour(60),
    "invitation": RateLimitItemPerMinute(20),
    "token": RateLimitItemPerMinute(20),
    "password": RateLimitItemPerMinute(10),
    "password of one name": RateLimitItemPerHour(20),
    "bearer": RateLimitItemPerMinute(60),
}
"""`bearer`: tokens that are none, from one address."""


class TooOften(AppError):
    """Somebody knocks too often. retry_after_s: when to come back."""

    def __init__(self, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(f"That was tried too often. Try again in {retry_after_s} seconds.")


class Attempts:
    """Counts attempts by door and by who makes them."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def count(self, door: Door, who: str) -> None:
        """One attempt more. Raises TooOften beyond what is allowed."""
        if not self._limiter.hit(ALLOWED[door], door, _short(who)):
            raise self._refusal(door, who)

    def check(self, door: Door, who: str) -> None:
        """Raises TooOften where the next attempt would be one too many; counts nothing."""
        if not self._limiter.test(ALLOWED[door], door, _short(who)):
            raise self._refusal(door, who)

    def _refusal(self, door: Door, who: str) -> TooOften:
        reset = self._limiter.get_window_stats(ALLOWED[door], door, _short(who)).reset_time
        return TooOften(max(1, round(reset - time.time())))


def address_of(request: Request) -> str:
    """Where a request comes from, as far as it is known."""
    return request.client.host if request.client else ""


def network_of(request: Request) -> str:
    """What is counted as one place: an IPv4 address, or the /64 that one IPv6 customer has."""
    address = address_of(request)
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network(f"{parsed}/64", strict=False)) if parsed.scope_id is None else address
    return address


def _short(who: str) -> str:
    return hashlib.sha256(who.encode("utf-8", "replace")).hexdigest()[:32]
