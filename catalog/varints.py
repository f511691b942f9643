"""Whole numbers in as few bytes as they need.

Seven bits a byte, the lowest first; the high bit is set on all bytes of a number but its last. All functions work on
whole arrays at once.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from catalog.errors import CorruptRow

_LONGEST = 9
_POWERS = 2 ** (7 * np.arange(1, _LONGEST, dtype=np.int64))


def varint_sizes(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bytes that each value takes; values are at least 0 and below 2**63."""
    return np.searchsorted(_POWERS, values, side="right") + 1


def encode_varints(values: NDArray[np.int64]) -> bytes:
    """The values one after the other. They must be at least 0."""
    sizes = varint_sizes(values)
    ends = np.cumsum(sizes)
    out = np.empty(int(ends[-1]) if len(ends) else 0, dtype=np.uint8)
    starts = ends - sizes
    out[starts] = values & 0x7F
    for byte in range(1, int(sizes.max(initial=1))):
        longer = np.flatnonzero(sizes > byte)
        out[starts[longer] + byte] = (values[longer] >> (7 * byte)) & 0x7F
        out[starts[longer] + byte - 1] |= 0x80
    return out.tobytes()


def encode_rows(rows: Sequence[NDArray[np.int64]]) -> list[bytes]:
    """`encode_varints` of each row, together."""
    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    values = np.concatenate([np.zeros(0, dtype=np.int64), *rows])
    data = encode_varints(values)
    ends = np.concatenate([[0], np.cumsum(varint_sizes(values))])[np.cumsum(lengths)]
    return [data[start:stop] for start, stop in pairwise([0, *ends.tolist()])]


def decode_varints(data: bytes | memoryview) -> NDArray[np.int64]:
    """All the values of a run of bytes. Raises CorruptRow where the last one is cut off."""
    raw = np.frombuffer(data, dtype=np.uint8)
    if not len(raw):
        return np.zeros(0, dtype=np.int64)
    is_last = raw < 0x80
    if not is_last[-1]:
        raise CorruptRow("A run of stored numbers is cut off in the middle of one.")
    ends = np.flatnonzero(is_last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    sizes = ends - starts + 1
    longest = int(sizes.max())
    if longest > _LONGEST:
        raise CorruptRow("A stored number is longer than any number can be.")
    values = raw[starts].astype(np.int64) & 0x7F
    for byte in range(1, longest):
        longer = np.flatnonzero(sizes > byte)
        values[longer] |= (raw[starts[longer] + byte].astype(np.int64) & 0x7F) << (7 * byte)
    return values


def zigzag(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Signed numbers as unsigned ones, small ones staying small: 0, -1, 1, -2 become 0, 1, 2, 3."""
    return (values << 1) ^ (values >> 63)


def unzigzag(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Undoes `zigzag`."""
    return (values >> 1) ^ -(values & 1)
