"""Builds a corpus: every document tokenised once, duplicates left out, going on after a kill."""

import errno
import json
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from worker.corpus.chunks import Chunk, ChunkLog
from worker.corpus.document import Document
from worker.corpus.errors import CorpusBusy, CorpusError
from worker.corpus.reading import DocumentChunk, Reading
from worker.corpus.source import Conversation, CorpusSource
from worker.corpus.tokenized import FORMAT, META, TOKENS, Corpus
from worker.corpus.writing import write_corpus, write_whole
from worker.lm.tokenizer import Tokenizer

TokenIds = Sequence[NDArray[np.uint32]]
_PLAN = "plan.json"
_CHUNKS = "chunks"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_WIDEST_SHORT = 1 << 16


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """How far a build is: documents and tokens that are safely on disk."""

    documents: int
    tokens: int


OnProgress = Callable[[BuildProgress], None]


def build_corpus(
    source: CorpusSource,
    tokenizer: Tokenizer,
    folder: Path,
    *,
    workers: int | None = None,
    on_progress: OnProgress | None = None,
    max_documents: int | None = None,
    max_tokens: int | None = None,
) -> Corpus:
    """The source's documents tokenised into the folder, which appears only when everything is in it.

    A build that was killed goes on from its last chunk; a finished one of the same source, tokenizer and limits
    is opened as it is. Of documents with the same text the first stays. Memory does not grow with the corpus,
    but for eight bytes a document.
    workers: chunks tokenised at once, each on all cores; default 2. max_documents: of those left after
    deduplication. max_tokens: stops after the document that reaches it.
    Raises CorpusBusy where another process is at it, CorpusError where there is no text, no disk space, or something
    else in the folder.
    """
    plan = {
        "format": FORMAT,
        "tokenizer_hash": tokenizer.hash,
        "description": dict(source.description),
        "max_documents": max_documents,
        "max_tokens": max_tokens,
    }
    folder = Path(folder)
    if (folder / META).is_file():
        return _finished(folder, plan, tokenizer)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CorpusError(f"{folder} is there already and is no corpus. Name a folder that does not exist yet.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder.with_name(folder.name + ".lock"), timeout=0):
            _Build(source, tokenizer, folder, plan).run(workers or 2, on_progress)
    except Timeout as error:
        raise CorpusBusy(
            f"Another process is building the corpus in {folder}. Wait for it, or stop it first."
        ) from error
    except OSError as error:
        raise _explained(error, folder) from error
    return Corpus.open(folder, tokenizer=tokenizer)


def _finished(folder: Path, plan: dict[str, Any], tokenizer: Tokenizer) -> Corpus:
    """A finished corpus, if it is the one that is wanted."""
    corpus = Corpus.open(folder, tokenizer=tokenizer)
    stored = json.loads((folder / META).read_text(encoding="utf-8"))
    for key in ("description", "max_documents", "max_tokens"):
        if stored[key] != plan[key]:
            raise CorpusError(
                f"The corpus in {folder} was built with {key} {stored[key]!r}, not {plan[key]!r}. "
                "Name another folder, or delete this one to build it anew."
            )
    return corpus


def _explained(error: OSError, folder: Path) -> CorpusError:
    if error.errno in _NO_SPACE:
        free = shutil.disk_usage(folder.parent).free
        return CorpusError(
            f"There is no disk space left for the corpus in {folder} ({free / 1e6:.0f} MB free). "
            "Free some and run the same again: it goes on where it stopped."
        )
    return CorpusError(f"The corpus in {folder} cannot be written: {error}.")


@dataclass(frozen=True, slots=True)
class _Pending:
    """A chunk on its way to the log. token_ids: None where the log has it already."""

    index: int
    chunk: DocumentChunk
    token_ids: "Future[TokenIds] | None"


class _Build:
    """One build, in FOLDER.partial until it is whole."""

    def __init__(self, source: CorpusSource, tokenizer: Tokenizer, folder: Path, plan: dict[str, Any]) -> None:
        self._tokenizer = tokenizer
        self._folder = folder
        self._plan = plan
        self._partial = folder.with_name(folder.name + ".partial")
        self._reading = Reading(source, plan["max_documents"])
        self._log = self._open_log()

    def run(self, workers: int, on_progress: OnProgress | None) -> None:
        n_chunks = 0
        with ThreadPoolExecutor(workers) as threads:
            for pending in _read_ahead(self._submitted(threads), workers):
                self._write(pending)
                n_chunks += 1
                if on_progress is not None:
                    on_progress(self._progress(n_chunks))
                if self._limit_reached(n_chunks):
                    break
        self._log.cut(n_chunks)
        if not self._log.n_tokens:
            shutil.rmtree(self._partial)
            raise CorpusError(
                f"The corpus is empty: {self._reading.read} documents read, none with any text. "
                f"The source is {json.dumps(self._plan['description'])}."
            )
        write_corpus(self._partial, self._log, {**self._plan, **self._facts()})
        shutil.rmtree(self._partial / _CHUNKS)
        (self._partial / _PLAN).unlink()
        self._partial.replace(self._folder)

    def _open_log(self) -> ChunkLog:
        plan_path = self._partial / _PLAN
        text = json.dumps(self._plan, sort_keys=True)
        if self._partial.exists() and not (plan_path.is_file() and plan_path.read_text() == text):
            shutil.rmtree(self._partial)
        self._partial.mkdir(parents=True, exist_ok=True)
        if not plan_path.is_file():
            write_whole(plan_path, text.encode())
        return ChunkLog(self._partial / _CHUNKS, self._partial / TOKENS, _dtype(self._tokenizer))

    def _submitted(self, threads: ThreadPoolExecutor) -> Iterator[_Pending]:
        for index, chunk in enumerate(self._reading.chunks()):
            done = self._log.holds(index, chunk.digest)
            yield _Pending(index, chunk, None if done else threads.submit(_encode, self._tokenizer, chunk))

    def _write(self, pending: _Pending) -> None:
        if pending.token_ids is None:
            return
        self._log.cut(pending.index)
        token_ids = pending.token_ids.result()
        if self._plan["max_tokens"] is not None:
            token_ids = _until(token_ids, self._plan["max_tokens"] - self._log.n_tokens)
        sizes = np.array([len(document) for document in token_ids], dtype=np.int64)
        names = [document.name for document in pending.chunk.documents[: len(sizes)]]
        self._log.append(Chunk(pending.chunk.digest, sizes, names), token_ids)

    def _limit_reached(self, n_chunks: int) -> bool:
        limit = self._plan["max_tokens"]
        return limit is not None and self._log.tokens_before(n_chunks) >= limit

    def _progress(self, n_chunks: int) -> BuildProgress:
        return BuildProgress(self._log.documents_before(n_chunks), self._log.tokens_before(n_chunks))

    def _facts(self) -> dict[str, Any]:
        return {
            "dtype": _dtype(self._tokenizer).name,
            "statistics": self._reading.statistics(),
            "bos_id": self._tokenizer.bos_id,
            "pad_id": self._tokenizer.pad_id,
        }


def _dtype(tokenizer: Tokenizer) -> np.dtype:
    return np.dtype(np.uint16 if tokenizer.d_vocab <= _WIDEST_SHORT else np.uint32)


def _read_ahead(items: Iterator[_Pending], n_ahead: int) -> Iterator[_Pending]:
    """The same items, each drawn while n_ahead before it are still to be handed out."""
    waiting: deque[_Pending] = deque()
    for item in items:
        waiting.append(item)
        if len(waiting) > n_ahead:
            yield waiting.popleft()
    yield from waiting


def _encode(tokenizer: Tokenizer, chunk: DocumentChunk) -> TokenIds:
    texts = [document for document in chunk.documents if isinstance(document, Document)]
    encoded = iter(tokenizer.encode([document.text for document in texts]))
    return [
        tokenizer.encode_chat(document.messages) if isinstance(document, Conversation) else next(encoded)
        for document in chunk.documents
    ]


def _until(token_ids: TokenIds, n_tokens: int) -> TokenIds:
    """The first documents, up to the one that reaches n_tokens."""
    reached = list(accumulate(map(len, token_ids)))
    n_documents = next((index + 1 for index, total in enumerate(reached) if total >= n_tokens), len(reached))
    return token_ids[:n_documents]
