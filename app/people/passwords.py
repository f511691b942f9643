"""Passwords: what may be one, and Argon2id through its library. Two are worked on at once at most: each takes 64 MB.

A name that nobody has costs the same work as one whose password is wrong, so that neither answer nor time tells them
apart.
"""

import secrets
import unicodedata
from functools import cached_property

from anyio import CapacityLimiter, to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from catalog.people_records import BadAccount

SHORTEST = 12
LONGEST = 200
AT_ONCE = 2


class Passwords:
    """Keeps and checks passwords, in threads of their own, so that a crowd at the door holds up no page."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._limiter = CapacityLimiter(AT_ONCE)

    async def keep(self, password: str) -> str:
        """What may be stored of a password. Raises BadAccount on one too short or too long."""
        return await to_thread.run_sync(self.keep_now, password, limiter=self._limiter)

    def keep_now(self, password: str) -> str:
        """The same, in this thread."""
        plain = _plain(password)
        if not SHORTEST <= len(plain) <= LONGEST:
            raise BadAccount(f"A password has {SHORTEST} to {LONGEST} characters; this one has {len(plain)}.")
        if len(set(plain)) < 4:
            raise BadAccount("This password repeats the same few characters. Choose one with more of them.")
        return self._hasher.hash(plain)

    async def is_right(self, kept: str | None, password: str) -> bool:
        """Whether a password is the one that this was kept of; never where nothing was kept."""
        return await to_thread.run_sync(self._verify, kept, password, limiter=self._limiter)

    def _verify(self, kept: str | None, password: str) -> bool:
        try:
            self._hasher.verify(kept or self._nobodys, _plain(password)[: LONGEST + 1])
        except (VerificationError, InvalidHashError):
            return False
        return kept is not None

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash(secrets.token_urlsafe())


def _plain(password: str) -> str:
    """The same letters however a keyboard composed them."""
    return unicodedata.normalize("NFC", password)
