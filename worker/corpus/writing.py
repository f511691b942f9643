"""Writes a finished build in the layout that `Corpus.open` reads; the description goes last."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from worker.corpus.chunks import ChunkLog
from worker.corpus.tokenized import META, NAME_STARTS, NAMES, STARTS, TOKENS

_BLOCK = 1 << 22


def write_corpus(folder: Path, log: ChunkLog, facts: Mapping[str, Any]) -> None:
    """Writes borders, names and meta.json beside the tokens of the log. Raises OSError where the disk is full."""
    sizes, name_sizes = [np.zeros(1, np.int64)], [np.zeros(1, np.int64)]
    with (folder / NAMES).open("wb") as names:
        for chunk in log.chunks():
            encoded = [name.encode() for name in chunk.names]
            names.write(b"".join(encoded))
            sizes.append(chunk.sizes)
            name_sizes.append(np.array([len(name) for name in encoded], dtype=np.int64))
    starts = np.cumsum(np.concatenate(sizes), dtype=np.int64)
    np.save(folder / STARTS, starts)
    np.save(folder / NAME_STARTS, np.cumsum(np.concatenate(name_sizes), dtype=np.int64))
    meta = {**facts, "n_tokens": int(starts[-1]), "n_documents": len(starts) - 1}
    meta["hash"] = _content_hash(folder, str(facts["tokenizer_hash"]), starts)
    write_whole(folder / META, json.dumps(meta, indent=2).encode())


def write_whole(path: Path, content: bytes) -> None:
    """Writes under a temporary name and renames, so that the file is whole wherever it is seen."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _content_hash(folder: Path, tokenizer_hash: str, starts: np.ndarray) -> str:
    digest = hashlib.sha256(tokenizer_hash.encode())
    digest.update(starts.tobytes())
    with (folder / TOKENS).open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
