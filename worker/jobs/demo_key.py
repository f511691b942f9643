"""What the demo is made of, in one hash: it is done once for each, and again when something of it changes."""

import hashlib
import sys

from worker.jobs.sources import ASSETS

MODEL_FOLDER = ASSETS / "model"
DICTIONARIES_FOLDER = ASSETS / "dictionaries"
# Raised when the demo makes something else of the same files.
REVISION = 1
DIGITS = 12


def demo_key() -> str:
    """Of the bundled files, the Python whose library is the corpus, and the revision."""
    digest = hashlib.sha256(f"{REVISION} {sys.version_info[:3]}".encode())
    for folder in (MODEL_FOLDER, DICTIONARIES_FOLDER):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                digest.update(path.relative_to(ASSETS).as_posix().encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:DIGITS]
