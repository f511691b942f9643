"""Where the files of jobs lie under the home folder. Names are hashes, so that the same request finds its files."""

import hashlib
import json
from pathlib import Path
from typing import Any

DIGITS = 16


def content_key(*parts: Any) -> str:
    """A short hash of plain JSON values."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def corpus_folder(home: Path, key: str) -> Path:
    """A tokenised corpus."""
    return home / "corpora" / key


def harvest_folder(home: Path, harvest_id: str) -> Path:
    """The shards of a harvest and its plan, until they are merged."""
    return home / "harvests" / harvest_id


def basis_path(home: Path, dictionary_hash: str) -> Path:
    """A basis made here: neurons, principal components, random directions."""
    return home / "bases" / f"{dictionary_hash[:DIGITS]}.safetensors"


def training_folder(home: Path, job_id: str) -> Path:
    """The checkpoints of a training run."""
    return home / "training" / job_id


def worker_lock_path(home: Path) -> Path:
    """Held by the one worker of an SQLite catalog for as long as it runs."""
    return home / "worker.lock"
