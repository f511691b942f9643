"""Several sources, one behind the other, as one corpus."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from worker.corpus.document import Document
from worker.corpus.seen_texts import SeenTexts, text_key
from worker.corpus.source import Conversation, CorpusSource, Tally

KIND = "joined"


@dataclass(frozen=True, slots=True)
class Part:
    """One source of several.

    until: how many documents there are at most when this part ends, empty ones and duplicates not counted; None
    takes it whole. name: goes before the names of its documents; empty for the first part, which keeps its own.
    """

    source: CorpusSource
    until: int | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Joined:
    """The documents of each part in turn. What a harvest saw of the first parts does not change by more behind them."""

    parts: tuple[Part, ...]

    @property
    def description(self) -> Mapping[str, Any]:
        parts = [
            {"source": dict(part.source.description), "until": part.until, "name": part.name} for part in self.parts
        ]
        return {"kind": KIND, "parts": parts}

    def documents(self, tally: Tally | None = None) -> Iterator[Document | Conversation]:
        """Raises SourceError where one of the sources cannot be read."""
        counted = _Counted()
        for part in self.parts:
            if part.until is not None and counted.kept >= part.until:
                continue
            for document in part.source.documents(tally):
                counted.add(document)
                yield replace(document, name=f"{part.name}/{document.name}") if part.name else document
                if part.until is not None and counted.kept >= part.until:
                    break


class _Counted:
    """Counts documents as the reading of a corpus does: neither empty nor met before."""

    def __init__(self) -> None:
        self._seen = SeenTexts()
        self.kept = 0

    def add(self, document: Document | Conversation) -> None:
        content = document.messages if isinstance(document, Conversation) else document.text
        self.kept += bool(content) and self._seen.add(text_key(content))
