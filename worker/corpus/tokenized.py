"""A tokenised corpus on disk: token ids of all documents in one memory-mapped array, with their borders."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from worker.corpus.contexts import ContextTable, cut_contexts
from worker.corpus.errors import CorpusError
from worker.lm.tokenizer import Tokenizer

META = "meta.json"
TOKENS = "tokens.bin"
STARTS = "document_starts.npy"
NAMES = "document_names.txt"
NAME_STARTS = "document_name_starts.npy"
FORMAT = 1
_HASHED_AT_ONCE = 1 << 21


class DocumentNames(Sequence[str]):
    """The names of documents, read from disk when asked for."""

    def __init__(self, folder: Path) -> None:
        self._starts = np.load(folder / NAME_STARTS, mmap_mode="r")
        size = (folder / NAMES).stat().st_size
        self._text = np.memmap(folder / NAMES, dtype=np.uint8, mode="r") if size else np.empty(0, np.uint8)

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        return self._text[self._starts[place] : self._starts[place + 1]].tobytes().decode()


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """A corpus opened for reading; nothing of it is in memory but the document borders.

    tokens: ids of all documents, one after another, without BOS; memory-mapped.
    document_starts: (n_documents + 1); document d is tokens[document_starts[d]:document_starts[d + 1]].
    hash: of the tokenizer's hash, the tokens and the borders. description: the source, as plain JSON values.
    statistics: documents read, duplicates and empty ones left out, undecodable bytes replaced.
    """

    folder: Path
    tokens: NDArray[np.unsignedinteger]
    document_starts: NDArray[np.int64]
    document_names: Sequence[str]
    hash: str
    tokenizer_hash: str
    description: Mapping[str, Any]
    statistics: Mapping[str, int]
    bos_id: int | None
    pad_id: int

    @property
    def n_tokens(self) -> int:
        return len(self.tokens)

    @property
    def n_documents(self) -> int:
        return len(self.document_starts) - 1

    @classmethod
    def open(cls, folder: str | Path, *, tokenizer: Tokenizer | None = None) -> "Corpus":
        """Opens a built corpus. Raises CorpusError where there is none, where files do not fit together,
        or where it was tokenised for another tokenizer than the one given.
        """
        folder = Path(folder)
        meta = _meta(folder)
        if tokenizer is not None:
            check_tokenizer(folder, meta, tokenizer)
        starts = np.load(folder / STARTS)
        size = (folder / TOKENS).stat().st_size
        dtype = np.dtype(meta["dtype"])
        if size != starts[-1] * dtype.itemsize:
            raise CorpusError(
                f"{folder / TOKENS} has {size} bytes, expected {starts[-1] * dtype.itemsize}; "
                f"it was cut short or changed. Delete {folder} and build the corpus again."
            )
        tokens = np.memmap(folder / TOKENS, dtype=dtype, mode="r") if size else np.empty(0, dtype)
        names = DocumentNames(folder)
        chosen = {key: meta[key] for key in ("hash", "tokenizer_hash", "description", "statistics", "bos_id", "pad_id")}
        return cls(folder=folder, tokens=tokens, document_starts=starts, document_names=names, **chosen)

    def document(self, document_id: int) -> NDArray[np.unsignedinteger]:
        """The token ids of one document."""
        return self.tokens[self.document_starts[document_id] : self.document_starts[document_id + 1]]

    def hash_of_first(self, n_documents: int) -> str:
        """The hash that a corpus of the first n_documents alone has; raises CorpusError where there are fewer."""
        if n_documents > self.n_documents:
            raise CorpusError(f"The corpus in {self.folder} has {self.n_documents} documents, not {n_documents}.")
        digest = hashlib.sha256(self.tokenizer_hash.encode())
        digest.update(self.document_starts[: n_documents + 1].tobytes())
        end = int(self.document_starts[n_documents])
        for start in range(0, end, _HASHED_AT_ONCE):
            digest.update(self.tokens[start : min(start + _HASHED_AT_ONCE, end)].tobytes())
        return digest.hexdigest()

    def contexts(self, *, n_ctx: int, prepend_bos: bool, max_tokens: int | None = None) -> ContextTable:
        """The corpus in contexts of n_ctx tokens, BOS counted where it is prepended.

        max_tokens: keeps the first contexts, up to the one that reaches this many text tokens.
        Raises CorpusError where BOS is asked of a tokenizer without one, or where n_ctx leaves no room for text.
        """
        if prepend_bos and self.bos_id is None:
            raise CorpusError("The tokenizer of this corpus has no BOS token to prepend; use prepend_bos=False.")
        width = n_ctx - int(prepend_bos)
        if width < 1:
            raise CorpusError(
                f"n_ctx is {n_ctx}, which leaves no room for text; it must be at least {1 + int(prepend_bos)}."
            )
        document_ids, starts, lengths = cut_contexts(self.document_starts, width, max_tokens=max_tokens)
        return ContextTable(
            document_ids=document_ids,
            starts=starts,
            lengths=lengths,
            n_ctx=n_ctx,
            bos_id=self.bos_id if prepend_bos else None,
            pad_id=self.pad_id,
            tokens=self.tokens,
            document_starts=self.document_starts,
        )


def check_tokenizer(folder: Path, meta: Mapping[str, Any], tokenizer: Tokenizer) -> None:
    """Raises CorpusError where the corpus was tokenised with another tokenizer."""
    if meta["tokenizer_hash"] != tokenizer.hash:
        raise CorpusError(
            f"The corpus in {folder} was tokenised with tokenizer {meta['tokenizer_hash'][:12]}, and the model's is "
            f"{tokenizer.hash[:12]}. Build it for this model in a folder of its own."
        )


def _meta(folder: Path) -> dict[str, Any]:
    path = folder / META
    if not path.is_file():
        raise CorpusError(f"There is no finished corpus in {folder}. Build one there first.")
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CorpusError(f"{path} is not JSON: {error}. Delete {folder} and build the corpus again.") from error
    if meta.get("format") != FORMAT:
        raise CorpusError(
            f"{path} is of format {meta.get('format')!r}, this version reads {FORMAT}. Build the corpus again."
        )
    return meta
