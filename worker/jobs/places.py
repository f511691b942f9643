"""Where the files of jobs lie: places in the store that workers share, and folders of this machine's home.

Names are hashes, so that the same request finds its files.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

DIGITS = 16
# An empty file that is in the folder of a harvest's shards before any shard.
OPENED = "opened"
# The file of a trained dictionary that is put last: where it is, all are.
TRAINED_LAST = "cfg.json"


def content_key(*parts: Any) -> str:
    """A short hash of plain JSON values."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def corpus_place(key: str) -> str:
    """A tokenised corpus."""
    return f"corpora/{key}"


def harvest_place(key: str) -> str:
    """The shards of a harvest, until they are merged."""
    return f"harvests/{key}"


def kept_place(harvest_id: str) -> str:
    """What is kept of a finished harvest so that more text can be added to it."""
    return f"kept/{harvest_id}.npz"


def basis_place(dictionary_hash: str) -> str:
    """A basis made here: neurons, principal components, random directions."""
    return f"bases/{dictionary_hash[:DIGITS]}.safetensors"


def trained_place(dictionary_hash: str) -> str:
    """A dictionary trained here, in the layout of SAELens."""
    return f"trained/{dictionary_hash[:DIGITS]}"


def training_folder(home: Path, job_id: str) -> Path:
    """The checkpoints of a training run."""
    return home / "training" / job_id


def worker_lock_path(home: Path) -> Path:
    """Held by the one worker of an SQLite catalog for as long as it runs."""
    return home / "worker.lock"
