"""Who is behind a request. With sign-in off everybody who reaches the app is its owner.

The one seam at which ways of signing in come in: a route never learns how somebody was known.
"""

from typing import Protocol

from fastapi import Request

from catalog.label_records import PersonRecord
from catalog.people_records import GUEST

OWNER = PersonRecord("owner", "admin")
ANYBODY = PersonRecord(GUEST, "viewer")
"""Whoever reads without having signed in, where that is let."""


class Asking(Protocol):
    """A way of knowing people by their requests.

    is_reading_open: whoever is not known may read. has_accounts: people can sign in.
    """

    is_reading_open: bool
    has_accounts: bool

    async def person(self, request: Request) -> PersonRecord | None:
        """Whoever asks, None where nobody is known. It may look into the catalog, in a thread."""
        ...


class OwnerAlone:
    """No sign-in: whoever reaches the app is the owner. The owner's row is made when they first write something."""

    is_reading_open = True
    has_accounts = False

    async def person(self, request: Request) -> PersonRecord:
        """The owner."""
        return OWNER
