"""Recognises text that has been seen before, by the lines that it shares with it.

A line counts when it is long enough to be somebody's own: `return self` occurs
everywhere, a whole sentence or a whole call does not.
"""

from hashlib import blake2b

MIN_LINE_LENGTH = 25


def telling_lines(text: str) -> frozenset[int]:
    """Hashes of the distinct lines of at least 25 characters, ends stripped."""
    stripped = (line.strip() for line in text.split("\n"))
    return frozenset(_hash(line) for line in stripped if len(line) >= MIN_LINE_LENGTH)


class SeenLines:
    """The telling lines of all texts taken so far.

    max_share: a text is a repeat when more than this share of its telling lines
    has been seen, in [0, 1].
    min_lines: and when at least this many have, so that a short text is not lost
    to one common line. A text with fewer telling lines is a repeat only when all
    of its text has been seen.
    """

    def __init__(self, *, max_share: float, min_lines: int) -> None:
        self._max_share = max_share
        self._min_lines = min_lines
        self._lines: set[int] = set()
        self._short_texts: set[int] = set()

    def add(self, text: str) -> None:
        """Counts the text as seen."""
        self._lines.update(telling_lines(text))
        self._short_texts.add(_hash(text.strip()))

    def repeats(self, text: str) -> bool:
        """Whether the text mostly repeats what was added before."""
        lines = telling_lines(text)
        if len(lines) < self._min_lines:
            return _hash(text.strip()) in self._short_texts
        shared = len(lines & self._lines)
        return shared >= self._min_lines and shared > self._max_share * len(lines)


def _hash(line: str) -> int:
    return int.from_bytes(blake2b(line.encode(), digest_size=8).digest(), "little")
