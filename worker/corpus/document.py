"""A document: one text of a corpus, with the name that it is shown under."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    """One text of a corpus.

    name: where it comes from, unique in its corpus, such as 'asyncio/locks.py'.
    text: the whole text, with lines ended by a newline character.
    """

    name: str
    text: str
