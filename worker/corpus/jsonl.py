"""JSON lines: one document an object, plain text or a conversation."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.corpus.document import Document
from worker.corpus.errors import SourceError
from worker.corpus.records import choose_field, document_of
from worker.corpus.source import Conversation, Tally
from worker.corpus.text_files import check_is_file, decoded


@dataclass(frozen=True, slots=True)
class JsonLines:
    """A file of JSON objects, one a line. field: which holds the text; None for text, messages or content."""

    path: Path
    field: str | None = None

    @property
    def description(self) -> Mapping[str, Any]:
        return {"kind": "jsonl", "path": str(self.path), **({} if self.field is None else {"field": self.field})}

    def documents(self, tally: Tally | None = None) -> Iterator[Document | Conversation]:
        """Named FILE:LINE. Blank lines are passed over. Raises SourceError, naming the line."""
        tally = tally or Tally()
        check_is_file(self.path)
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield self._document(decoded(line, tally), number)

    def _document(self, line: str, number: int) -> Document | Conversation:
        where = f"{self.path}, line {number},"
        try:
            record = json.loads(line)
        except ValueError as error:
            raise SourceError(f"{where} is not JSON: {error}.") from error
        if not isinstance(record, Mapping):
            raise SourceError(f'{where} holds {type(record).__name__}; expected an object, such as {{"text": "..."}}.')
        field = choose_field(self.field, record, where)
        return document_of(record[field], f"{self.path.name}:{number}", f"{where} field {field!r}")
