"""The file of one finished shard: every reducer's state, under the digest of its plan.

It is written under a temporary name and renamed, so that a file that is there is whole, and writing
it twice does no harm.
"""

import os
import zipfile
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import numpy as np

from worker.harvest.errors import HarvestError

States = dict[str, dict[str, np.ndarray]]


def partial_path(folder: Path, shard: int) -> Path:
    """Where the shard's file is."""
    return folder / f"shard-{shard:05d}.npz"


def save_partial(path: Path, digest: str, states: dict[str, States]) -> None:
    """Write the states by owner, reducer and array name. Raises HarvestError where there is no room or right."""
    flat = {
        f"{owner}/{reducer}/{name}": array
        for owner, reducers in states.items()
        for reducer, arrays in reducers.items()
        for name, array in arrays.items()
    }
    temporary = path.with_name(f".{path.stem}-{uuid4().hex}.npz")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            np.savez(file, digest=np.array(digest), **flat)  # pyright: ignore[reportArgumentType]
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        reason = error.strerror or error
        raise HarvestError(
            f"The finished shard could not be written to {str(path)!r}: {reason}. Shards done before it are "
            "kept; make room there and start the job again."
        ) from error


def load_partial(path: Path, digest: str) -> dict[str, States]:
    """States by owner, reducer and array name.

    Raises HarvestError where the file is missing, damaged or of another plan.
    """
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            if str(file["digest"]) != digest:
                raise HarvestError(f"{str(path)!r} belongs to another harvest plan; use a folder of its own for each.")
            states: dict[str, dict[str, dict[str, np.ndarray]]] = {}
            for key in file.files:
                if key != "digest":
                    owner, reducer, name = key.split("/")
                    states.setdefault(owner, {}).setdefault(reducer, {})[name] = file[key]
            return states
    except FileNotFoundError as error:
        raise HarvestError(f"{str(path)!r} is missing; its shard has not been harvested.") from error
    except (OSError, zipfile.BadZipFile, ValueError, KeyError) as error:
        raise HarvestError(f"{str(path)!r} is damaged ({error}); delete it and harvest its shard again.") from error


def is_done(path: Path, digest: str) -> bool:
    """Whether the shard's file is there, whole and of this plan."""
    if not path.exists():
        return False
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            return str(file["digest"]) == digest
    except (OSError, zipfile.BadZipFile, ValueError, KeyError):
        return False
