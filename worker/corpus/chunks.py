"""The log of a build: chunks of documents whose tokens are safely on disk, so that a killed build goes on."""

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Documents that were tokenised together. digest: of their names and texts, before tokenising.

    sizes: tokens of each document. names: their names.
    """

    digest: str
    sizes: NDArray[np.int64]
    names: Sequence[str]

    @property
    def n_tokens(self) -> int:
        return int(self.sizes.sum())


class ChunkLog:
    """Appends chunks to a token file and remembers each one in a file of its own, written when its tokens are safe.

    folder: where the chunk files go. tokens: the token file. Opening cuts off what a killed build half wrote.
    """

    def __init__(self, folder: Path, tokens: Path, dtype: np.dtype) -> None:
        self._folder = folder
        self._tokens = tokens
        self._dtype = dtype
        folder.mkdir(parents=True, exist_ok=True)
        tokens.touch()
        self._digests: list[str] = []
        self._ends: list[int] = []
        self._document_ends: list[int] = []
        while self._path(len(self._digests)).is_file():
            self._remember(self.read(len(self._digests)))
        if tokens.stat().st_size < self.n_tokens * dtype.itemsize:
            self.cut(0)
        self._cut_tokens()

    def __len__(self) -> int:
        return len(self._digests)

    @property
    def n_tokens(self) -> int:
        return self._ends[-1] if self._ends else 0

    def tokens_before(self, index: int) -> int:
        """Tokens in all chunks before this one."""
        return self._ends[index - 1] if index else 0

    def documents_before(self, index: int) -> int:
        """Documents in all chunks before this one."""
        return self._document_ends[index - 1] if index else 0

    def holds(self, index: int, digest: str) -> bool:
        """Whether the chunk at this place is there and was made of the same documents."""
        return index < len(self) and self._digests[index] == digest

    def append(self, chunk: Chunk, token_ids: Sequence[NDArray[np.unsignedinteger]]) -> None:
        """Writes the tokens, then the record of them. Raises OSError where the disk is full."""
        with self._tokens.open("ab") as file:
            for document in token_ids:
                file.write(document.astype(self._dtype).tobytes())
            file.flush()
            os.fsync(file.fileno())
        names = np.frombuffer("\n".join(map(_one_line, chunk.names)).encode("utf-8", "replace"), np.uint8)
        content = io.BytesIO()
        np.savez(content, digest=np.array(chunk.digest), sizes=chunk.sizes, names=names)
        path = self._path(len(self))
        partial = path.with_suffix(".partial")
        partial.write_bytes(content.getvalue())
        partial.replace(path)
        self._remember(chunk)

    def cut(self, n_chunks: int) -> None:
        """Forgets all chunks from this place on."""
        for index in range(len(self) - 1, n_chunks - 1, -1):
            self._path(index).unlink()
        del self._digests[n_chunks:], self._ends[n_chunks:], self._document_ends[n_chunks:]
        self._cut_tokens()

    def read(self, index: int) -> Chunk:
        """One chunk's record, without its tokens."""
        with np.load(self._path(index)) as stored:
            text = stored["names"].tobytes().decode()
            return Chunk(str(stored["digest"]), stored["sizes"], text.split("\n") if len(stored["sizes"]) else [])

    def chunks(self) -> Iterator[Chunk]:
        """All records, in order."""
        return map(self.read, range(len(self)))

    def _remember(self, chunk: Chunk) -> None:
        self._document_ends.append(self.documents_before(len(self)) + len(chunk.sizes))
        self._ends.append(self.n_tokens + chunk.n_tokens)
        self._digests.append(chunk.digest)

    def _cut_tokens(self) -> None:
        size = self.n_tokens * self._dtype.itemsize
        if self._tokens.stat().st_size > size:
            os.truncate(self._tokens, size)

    def _path(self, index: int) -> Path:
        return self._folder / f"{index:06}.npz"


def _one_line(name: str) -> str:
    return name.replace("\n", " ")
