"""Reads a source into chunks of documents, leaving out empty ones and those met before."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from worker.corpus.document import Document
from worker.corpus.seen_texts import SeenTexts, text_key
from worker.corpus.source import Conversation, CorpusSource, Tally

CHUNK_CHARACTERS = 2_000_000


@dataclass(frozen=True, slots=True)
class DocumentChunk:
    """Documents to be tokenised together. digest: of their names and texts."""

    documents: tuple[Document | Conversation, ...]
    digest: str


@dataclass(slots=True)
class Reading:
    """One reading of a source, with its counts. The chunks depend on nothing but the documents.

    read: documents the source gave. kept: those that are neither empty nor met before.
    """

    source: CorpusSource
    max_documents: int | None = None
    read: int = 0
    kept: int = 0
    empty: int = 0
    duplicates: int = 0
    tally: Tally = field(default_factory=Tally)

    def chunks(self) -> Iterator[DocumentChunk]:
        """Chunks of some two million characters. Raises SourceError."""
        documents, digest, size = [], hashlib.sha256(), 0
        for document, key in self._wanted():
            documents.append(document)
            digest.update(key.to_bytes(8, "little") + document.name.encode("utf-8", "replace") + b"\0")
            size += _characters(document)
            if size >= CHUNK_CHARACTERS:
                yield DocumentChunk(tuple(documents), digest.hexdigest())
                documents, digest, size = [], hashlib.sha256(), 0
        if documents:
            yield DocumentChunk(tuple(documents), digest.hexdigest())

    def statistics(self) -> dict[str, int]:
        """The counts, as they are kept with the corpus."""
        return {
            "documents_read": self.read,
            "empty_documents": self.empty,
            "duplicate_documents": self.duplicates,
            "undecodable_places": self.tally.undecodable,
        }

    def _wanted(self) -> Iterator[tuple[Document | Conversation, int]]:
        seen = SeenTexts()
        for document in self.source.documents(self.tally):
            if self.max_documents is not None and self.kept >= self.max_documents:
                return
            self.read += 1
            content = document.messages if isinstance(document, Conversation) else document.text
            if not content:
                self.empty += 1
                continue
            key = text_key(content)
            if not seen.add(key):
                self.duplicates += 1
                continue
            self.kept += 1
            yield document, key


def _characters(document: Document | Conversation) -> int:
    if isinstance(document, Conversation):
        return sum(len(str(message.get("content", ""))) for message in document.messages)
    return len(document.text)
