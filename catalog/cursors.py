"""Opaque cursors for paging by keyset: where the last page ended, in which sort, and which way to go on."""

import base64
import binascii
import json
import math
from dataclasses import dataclass
from typing import Any

from catalog.errors import BadQuery
from catalog.queries import FeatureQuery

_VERSION = 1
_MAX_LENGTH = 400
_LARGEST_INDEX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Cursor:
    """The row a page starts beyond: its sort value and index. backwards: the page before that row is wanted."""

    value: float | int
    index: int
    backwards: bool

    def encode(self, query: FeatureQuery) -> str:
        """The cursor as text safe in a URL, tied to the sort and order of the query."""
        parts = [_VERSION, query.sort, query.order, self.value, self.index, int(self.backwards)]
        return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(query: FeatureQuery) -> Cursor | None:
    """The cursor of a query, or None where it has none. Raises BadQuery on one that is damaged or foreign."""
    if query.after is None:
        return None
    parts = _parse(query.after)
    if parts[1] != query.sort or parts[2] != query.order:
        raise BadQuery(
            f"This cursor belongs to the list sorted by {parts[1]} {parts[2]}, not {query.sort} {query.order}. "
            "Start again at the first page."
        )
    return Cursor(value=parts[3], index=parts[4], backwards=bool(parts[5]))


def _parse(text: str) -> list[Any]:
    try:
        raw = base64.b64decode(text[:_MAX_LENGTH] + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        parts = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError):
        raise _damaged(text) from None
    if not isinstance(parts, list) or len(parts) != 6 or parts[0] != _VERSION or not _is_sound(parts):
        raise _damaged(text)
    return parts


def _is_sound(parts: list[Any]) -> bool:
    value, index, backwards = parts[3:]
    names = isinstance(parts[1], str) and isinstance(parts[2], str)
    number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**62
    place = isinstance(index, int) and not isinstance(index, bool) and 0 <= index <= _LARGEST_INDEX
    return names and number and math.isfinite(value) and place and backwards in (0, 1)


def _damaged(text: str) -> BadQuery:
    return BadQuery(f"The cursor {text[:40]!r} is not one this list gave. Start again at the first page.")
