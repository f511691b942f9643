"""The file of one finished shard: every reducer's state, under the digest of its plan.

It is written under a temporary name and renamed, so that a file that is there is whole, and writing
it twice does no harm. Arrays go into it and come out of it one by one, so that few are in memory at once.
"""

import os
import zipfile
from collections.abc import Collection, Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import numpy as np

from worker.harvest.errors import HarvestError

Arrays = Mapping[str, np.ndarray]
States = dict[str, dict[str, np.ndarray]]
_DIGEST = "digest"
_DAMAGED = (OSError, zipfile.BadZipFile, ValueError, KeyError)


def partial_path(folder: Path, shard: int) -> Path:
    """Where the shard's file is."""
    return folder / f"shard-{shard:05d}.npz"


class PartialFile:
    """A partial file being written, a context manager: what is added is there, whole, when the block ends well.

    Every step raises HarvestError where there is no room or right.
    """

    def __init__(self, path: Path, digest: str) -> None:
        self._path, self._digest = path, digest
        self._temporary = path.with_name(f".{path.stem}-{uuid4().hex}.npz")
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._stack.enter_context(self._temporary.open("wb"))
            self._archive = self._stack.enter_context(zipfile.ZipFile(self._file, "w", allowZip64=True))
            self._write(_DIGEST, np.array(self._digest))
        except OSError as error:
            self._give_up()
            raise self._in_words(error) from error
        return self

    def add(self, place: str, arrays: Arrays) -> None:
        """Arrays by name. place: "owner/reducer"."""
        try:
            for name, array in arrays.items():
                self._write(f"{place}/{name}", array)
        except OSError as error:
            raise self._in_words(error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._give_up()
            return
        try:
            self._archive.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._stack.close()
            self._temporary.replace(self._path)
        except OSError as failure:
            self._give_up()
            raise self._in_words(failure) from failure

    def _write(self, name: str, array: np.ndarray) -> None:
        with self._archive.open(f"{name}.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)

    def _give_up(self) -> None:
        # An archive that is closed writes its directory, for which there may be no room either.
        with suppress(OSError, ValueError):
            self._stack.close()
        with suppress(OSError):
            self._temporary.unlink()

    def _in_words(self, error: OSError) -> HarvestError:
        return HarvestError(
            f"The finished shard could not be written to {str(self._path)!r}: {error.strerror or error}. Shards done "
            "before it are kept; make room there and start the job again."
        )


def save_partial(path: Path, digest: str, parts: Iterable[tuple[str, Arrays]]) -> None:
    """Write arrays by place, "owner/reducer". Raises HarvestError where there is no room or right."""
    with PartialFile(path, digest) as file:
        for place, arrays in parts:
            file.add(place, arrays)
            # Or they would still be there while the next ones are made.
            del arrays


def load_partial(path: Path, digest: str, *, owners: Collection[str] | None = None) -> dict[str, States]:
    """States by owner, reducer and array name. owners: whose are read; None for all.

    Raises HarvestError where the file is missing, damaged or of another plan.
    """
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            if str(file[_DIGEST]) != digest:
                raise HarvestError(f"{str(path)!r} belongs to another harvest plan; use a folder of its own for each.")
            states: dict[str, dict[str, dict[str, np.ndarray]]] = {}
            for key in file.files:
                owner, _, rest = key.partition("/")
                if key != _DIGEST and (owners is None or owner in owners):
                    reducer, name = rest.split("/")
                    states.setdefault(owner, {}).setdefault(reducer, {})[name] = file[key]
            return states
    except FileNotFoundError as error:
        raise HarvestError(f"{str(path)!r} is missing; its shard has not been harvested.") from error
    except _DAMAGED as error:
        raise HarvestError(f"{str(path)!r} is damaged ({error}); delete it and harvest its shard again.") from error


def is_done(path: Path, digest: str) -> bool:
    """Whether the shard's file is there, whole and of this plan."""
    if not path.exists():
        return False
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            return str(file[_DIGEST]) == digest
    except _DAMAGED:
        return False
