"""Where the finished pieces of jobs lie so that every worker finds them: a folder that all see, or an object store.

A place is a relative name in it, such as 'harvests/KEY/shard-00003.npz'. What is in a place is whole: it is made
elsewhere, or under a temporary name, and put there at once.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import fsspec
from fsspec.core import url_to_fs

from worker.jobs.errors import JobError, NotAtHand

NOT_SHARED = ("memory",)


class StoreError(JobError):
    """The store cannot be reached, read or written."""


class MissingInStore(StoreError, NotAtHand):
    """The store has nothing in that place."""


class Store(Protocol):
    """What the two kinds of store share. Every method may raise StoreError."""

    @property
    def name(self) -> str:
        """How people know it: a folder or a URL."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether somebody named it for several workers; False for the home folder of one machine."""
        ...

    def path(self, place: str) -> Path:
        """Where a thing of that place is made on this machine, before it is put there."""
        ...

    def has(self, place: str) -> bool:
        """Whether there is such a file."""
        ...

    def size(self, place: str) -> int | None:
        """Bytes of the file of that place; None where there is none."""
        ...

    def put(self, place: str, source: Path, *, last: str = "") -> None:
        """Make a file, or all files of a folder, found by the others. last: the file that says that all are there."""
        ...

    def take(self, place: str) -> Path:
        """The file or folder on this machine, brought here where need be. Raises MissingInStore."""
        ...

    def done_with(self, place: str) -> None:
        """Forget this machine's copy of what has been put."""
        ...

    def remove(self, place: str) -> None:
        """Remove a file or a folder with all that is in it; nothing happens where there is none."""
        ...


def open_store(url: str | None, home: Path) -> Store:
    """The store of a URL: a path or file:// for a folder, else whatever fsspec knows, such as s3://bucket/folder.

    home: the store where no URL is given, and where copies of an object store's things are kept.
    Raises StoreError on a URL that no other worker could see, or whose package is not installed.
    """
    if not url:
        return FolderStore(home, is_shared=False)
    protocol = url.partition("://")[0] if "://" in url else "file"
    if protocol in ("file", "local"):
        return FolderStore(Path(url.partition("://")[2] if "://" in url else url).expanduser().absolute())
    if protocol in NOT_SHARED:
        raise StoreError(f"FEATURESCOPE_STORE is {url!r}, which no other process sees. Name a folder or s3://bucket.")
    return ObjectStore(url, home)


class FolderStore:
    """A folder that every worker sees at some path of its own. Things are used where they lie."""

    def __init__(self, root: Path, *, is_shared: bool = True) -> None:
        self._root = root
        self.is_shared = is_shared

    @property
    def name(self) -> str:
        return str(self._root)

    def path(self, place: str) -> Path:
        return self._root / place

    def has(self, place: str) -> bool:
        return self.path(place).exists()

    def size(self, place: str) -> int | None:
        return self.path(place).stat().st_size if self.path(place).is_file() else None

    def put(self, place: str, source: Path, *, last: str = "") -> None:
        goal = self.path(place)
        if source == goal:
            return
        goal.parent.mkdir(parents=True, exist_ok=True)
        temporary = _beside(goal)
        try:
            _copy(source, temporary)
            _move(temporary, goal)
        finally:
            _delete(temporary)

    def take(self, place: str) -> Path:
        if not self.has(place):
            raise _missing(place, self.name)
        return self.path(place)

    def done_with(self, place: str) -> None:
        """Nothing: there is no other copy."""

    def remove(self, place: str) -> None:
        _delete(self.path(place))


class ObjectStore:
    """Objects under a URL, as fsspec reads and writes them; copies of them lie under the home folder."""

    is_shared = True

    def __init__(self, url: str, cache: Path) -> None:
        self.name = url.rstrip("/")
        self._cache = cache
        try:
            self._files, self._root = url_to_fs(self.name, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise StoreError(
                f"FEATURESCOPE_STORE is {url!r}, which cannot be opened: {error}. For s3:// run: "
                f"pip install 'featurescope[s3]'. Known are {', '.join(sorted(fsspec.available_protocols()))}."
            ) from error

    def path(self, place: str) -> Path:
        return self._cache / place

    def has(self, place: str) -> bool:
        with self._in_words("look for", place):
            return bool(self._files.exists(self._url(place)))

    def size(self, place: str) -> int | None:
        with self._in_words("look for", place):
            return int(self._files.size(self._url(place))) if self._files.exists(self._url(place)) else None

    def put(self, place: str, source: Path, *, last: str = "") -> None:
        with self._in_words("write", place):
            if source.is_file():
                self._files.put_file(str(source), self._url(place))
                return
            for file in sorted(source.rglob("*"), key=lambda each: (each.name == last, each)):
                if file.is_file():
                    self._files.put_file(str(file), self._url(f"{place}/{file.relative_to(source).as_posix()}"))

    def take(self, place: str) -> Path:
        goal = self.path(place)
        if goal.exists():
            return goal
        goal.parent.mkdir(parents=True, exist_ok=True)
        temporary = _beside(goal)
        try:
            with self._in_words("read", place):
                self._fetch(place, temporary)
            _move(temporary, goal)
        finally:
            _delete(temporary)
        return goal

    def done_with(self, place: str) -> None:
        _delete(self.path(place))

    def remove(self, place: str) -> None:
        _delete(self.path(place))
        with self._in_words("remove", place):
            if self._files.exists(self._url(place)):
                self._files.rm(self._url(place), recursive=True)

    def _fetch(self, place: str, goal: Path) -> None:
        found = self._files.find(self._url(place))
        if not found:
            raise _missing(place, self.name)
        for name in found:
            inner = name.removeprefix(self._url(place)).lstrip("/")
            (goal / inner).parent.mkdir(parents=True, exist_ok=True)
            self._files.get_file(name, str(goal / inner if inner else goal))

    def _url(self, place: str) -> str:
        return f"{self._root.rstrip('/')}/{place}"

    @contextmanager
    def _in_words(self, verb: str, place: str) -> Iterator[None]:
        try:
            yield
        except JobError:
            raise
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise StoreError(f"The store {self.name!r} could not {verb} {place!r}: {reason}.") from error


def _missing(place: str, name: str) -> MissingInStore:
    return MissingInStore(
        f"There is no {place!r} in the store {name!r} of this worker. Give all workers of this catalog the same "
        "store: FEATURESCOPE_STORE, a folder that all machines see or s3://bucket/folder."
    )


def _beside(goal: Path) -> Path:
    return goal.with_name(f".{goal.name}-{uuid4().hex}")


def _copy(source: Path, goal: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, goal)
    else:
        shutil.copyfile(source, goal)


def _move(source: Path, goal: Path) -> None:
    """A folder that somebody else has put there meanwhile stays."""
    try:
        source.replace(goal)
    except OSError:
        if not goal.is_dir():
            raise


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
