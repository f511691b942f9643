"""Readable names for URLs: lower-case letters, digits and dashes, made from a name."""

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterable

MAX_LENGTH = 80
_NOT_ALLOWED = re.compile(r"[^a-z0-9]+")


def make_slug(name: str) -> str:
    """The slug of a name: accents dropped, everything else that is no letter or digit a dash.

    A name without any Latin letter or digit gives "unnamed".
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return _NOT_ALLOWED.sub("-", plain.lower()).strip("-")[:MAX_LENGTH].strip("-") or "unnamed"


def unique_slug(name: str, is_taken: Callable[[str], bool]) -> str:
    """The slug of a name, with -2, -3 and so on behind it where it is taken."""
    slug = make_slug(name)
    candidate, number = slug, 1
    while is_taken(candidate):
        number += 1
        candidate = f"{slug[: MAX_LENGTH - 1 - len(str(number))]}-{number}"
    return candidate


def nearest_names(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Up to three known names most like the given one, best first; none where nothing is alike."""
    return tuple(difflib.get_close_matches(name, list(known), n=3, cutoff=0.5))
