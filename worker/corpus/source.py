"""What a source of documents offers, and what it keeps count of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from worker.corpus.document import Document


@dataclass(frozen=True, slots=True)
class Conversation:
    """A document that is a chat: the tokenizer's template writes it out. messages: each with role and content."""

    name: str
    messages: tuple[Mapping[str, Any], ...]


@dataclass(slots=True)
class Tally:
    """What a source met while reading. undecodable: places where bytes were no UTF-8 and U+FFFD stands now."""

    undecodable: int = 0


@runtime_checkable
class CorpusSource(Protocol):
    """Yields the same documents in the same order each time it is asked, without holding them all."""

    @property
    def description(self) -> Mapping[str, Any]:
        """What `parse_source` takes to make the same source again: plain JSON values with a 'kind'."""
        ...

    def documents(self, tally: Tally | None = None) -> Iterator[Document | Conversation]:
        """Raises SourceError where something cannot be found or read."""
        ...
