"""Parquet files: one document a row of one column."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from worker.corpus.document import Document
from worker.corpus.errors import SourceError
from worker.corpus.records import choose_field, document_of
from worker.corpus.source import Conversation, Tally
from worker.corpus.text_files import check_is_file

_ROWS_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class Parquet:
    """A Parquet file. field: the column of texts or conversations; None for text, messages or content."""

    path: Path
    field: str | None = None

    @property
    def description(self) -> Mapping[str, Any]:
        return {"kind": "parquet", "path": str(self.path), **({} if self.field is None else {"field": self.field})}

    def documents(self, tally: Tally | None = None) -> Iterator[Document | Conversation]:
        """Named FILE:ROW, rows counted from 1. Raises SourceError."""
        check_is_file(self.path)
        try:
            with parquet.ParquetFile(self.path) as file:
                column = choose_field(self.field, file.schema_arrow.names, str(self.path))
                yield from self._rows(file, column)
        except pyarrow.ArrowException as error:
            raise SourceError(f"{self.path} cannot be read as Parquet: {error}.") from error

    def _rows(self, file: parquet.ParquetFile, column: str) -> Iterator[Document | Conversation]:
        number = 0
        for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=[column]):
            for value in batch.column(0).to_pylist():
                number += 1
                yield document_of(value, f"{self.path.name}:{number}", f"{self.path}, row {number}, column {column!r},")
