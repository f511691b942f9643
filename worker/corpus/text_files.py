"""Text files: a file, or pieces of one, as documents."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.corpus.document import Document
from worker.corpus.errors import SourceError
from worker.corpus.source import Tally

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class TextFile:
    """One UTF-8 file. separator: text between documents, such as '<|endoftext|>'; None for one document."""

    path: Path
    separator: str | None = None

    @property
    def description(self) -> Mapping[str, Any]:
        extra = {} if self.separator is None else {"separator": self.separator}
        return {"kind": "text", "path": str(self.path), **extra}

    def documents(self, tally: Tally | None = None) -> Iterator[Document]:
        """Named after the file; pieces are numbered from 1 as the file has them, white space around them stripped.

        Bytes that are no UTF-8 become U+FFFD and are counted in the tally. Raises SourceError.
        """
        tally = tally or Tally()
        check_is_file(self.path)
        if self.separator is None:
            yield Document(self.path.name, decoded(_read(self.path), tally))
            return
        for number, piece in enumerate(_pieces(self.path, self.separator.encode()), start=1):
            yield Document(f"{self.path.name}#{number}", decoded(piece, tally).strip())


def decoded(content: bytes, tally: Tally) -> str:
    """UTF-8 text with line ends as newlines; control characters stay. Undecodable places are counted."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("utf-8-sig", "replace")
        tally.undecodable += text.count("\ufffd") - content.count("\ufffd".encode())
    return text.replace("\r\n", "\n")


def check_is_file(path: Path) -> None:
    """Raises SourceError, saying whether nothing is there or a directory is."""
    if path.is_dir():
        raise SourceError(f"{path} is a directory; say which files with ?glob=, such as '{path}?glob=**/*.txt'.")
    if not path.exists():
        raise SourceError(f"There is no file {str(path)!r}. Check the path, which is taken from {Path.cwd()}.")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from error


def _pieces(path: Path, separator: bytes) -> Iterator[bytes]:
    """The file between separators, a block in memory at a time."""
    rest = b""
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                *whole, rest = (rest + block).split(separator)
                yield from whole
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from error
    yield rest
