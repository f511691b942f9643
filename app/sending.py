"""How a file that was just written is sent, portion by portion."""

from collections.abc import Iterator
from typing import IO

IN_MEMORY = 4_000_000
PORTION = 65_536


def portions(file: IO[str]) -> Iterator[str]:
    """The text of a file from where it stands; the file is closed at the end."""
    with file:
        while portion := file.read(PORTION):
            yield portion
