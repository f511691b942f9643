"""Sizes of memory and disk as people write and read them."""

import re

from worker.jobs.errors import JobError

MIB = 2**20
_UNITS = {"": MIB, "k": 2**10, "m": MIB, "g": 2**30, "t": 2**40}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", re.IGNORECASE)


def parse_size(text: str, *, name: str) -> int:
    """Bytes of a size such as 900MiB, 4GiB, 1.5G; a number alone is in MiB, and K, M, G are powers of 1,024.

    name: whose value it is, for the message. Raises JobError where it is none, or less than one byte.
    """
    found = _SIZE.fullmatch(text)
    size = round(float(found[1]) * _UNITS[found[2].lower()]) if found else 0
    if size < 1:
        raise JobError(f"{name} is {text!r}; it is a size above 0 such as 900MiB or 4GiB.")
    return size


def mib(size: float) -> str:
    """A size in whole MiB: 1,234 MiB."""
    return f"{size / MIB:,.0f} MiB"
