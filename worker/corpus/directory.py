"""A directory: every file that matches a pattern, in the order of paths."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from worker.corpus.document import Document
from worker.corpus.errors import SourceError
from worker.corpus.jsonl import JsonLines
from worker.corpus.parquet import Parquet
from worker.corpus.source import Conversation, Tally
from worker.corpus.text_files import TextFile

DEFAULT_GLOB = "**/*.txt"
JSONL_SUFFIXES = (".jsonl", ".ndjson")
_SHOWN_SUFFIXES = 5


def file_source(
    path: Path, *, field: str | None = None, separator: str | None = None
) -> TextFile | JsonLines | Parquet:
    """The source of one file, by its suffix: JSON lines, Parquet, or else plain text."""
    if path.suffix in JSONL_SUFFIXES:
        return JsonLines(path, field)
    return Parquet(path, field) if path.suffix == ".parquet" else TextFile(path, separator)


@dataclass(frozen=True, slots=True)
class Directory:
    """The files under a directory that match a pattern; hidden ones are passed over.

    field: for JSON lines and Parquet files. separator: for text files that hold many documents.
    """

    path: Path
    glob: str = DEFAULT_GLOB
    field: str | None = None
    separator: str | None = None

    @property
    def description(self) -> Mapping[str, Any]:
        extra = {"field": self.field, "separator": self.separator}
        given = {key: value for key, value in extra.items() if value is not None}
        return {"kind": "directory", "path": str(self.path), "glob": self.glob, **given}

    def documents(self, tally: Tally | None = None) -> Iterator[Document | Conversation]:
        """Named by their path within the directory. Raises SourceError where no file matches."""
        if not self.path.is_dir():
            raise SourceError(
                f"There is no directory {str(self.path)!r}. Check the path, which is taken from {Path.cwd()}."
            )
        names = self._names()
        if not names:
            raise SourceError(
                f"No file in {self.path} matches {self.glob!r}{self._what_is_there()}. Say which with ?glob=."
            )
        for name in names:
            source = file_source(self.path / name, field=self.field, separator=self.separator)
            for document in source.documents(tally):
                yield replace(document, name=name + document.name.removeprefix(source.path.name))

    def _names(self) -> list[str]:
        """Paths within the directory, sorted as text, so that the order is the same on every machine."""
        try:
            found = [path.relative_to(self.path) for path in self.path.glob(self.glob) if path.is_file()]
        except ValueError as error:
            raise SourceError(f"{self.glob!r} is no pattern for files: {error}. Try '**/*.md'.") from error
        return sorted(path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts))

    def _what_is_there(self) -> str:
        names = (name for _, _, files in os.walk(self.path) for name in files)
        suffixes = Counter(suffix for name in names if (suffix := Path(name).suffix))
        common = [f"{count} {suffix}" for suffix, count in suffixes.most_common(_SHOWN_SUFFIXES)]
        return f"; there are {', '.join(common)}" if common else "; it holds no files"
