"""A store in which everything is found, and into which nothing goes: what would be put lies in a folder of its own."""

from pathlib import Path

from worker.jobs.store import FolderStore, Store


class UntouchedStore:
    """Reads through to the real store; writes to a folder that its owner removes."""

    def __init__(self, real: Store, folder: Path) -> None:
        self._real, self._own = real, FolderStore(folder, is_shared=False)
        self.name, self.is_shared = real.name, False

    def path(self, place: str) -> Path:
        return self._own.path(place)

    def has(self, place: str) -> bool:
        return self._own.has(place) or self._real.has(place)

    def size(self, place: str) -> int | None:
        return self._own.size(place) or self._real.size(place)

    def put(self, place: str, source: Path, *, last: str = "") -> None:
        self._own.put(place, source, last=last)

    def take(self, place: str) -> Path:
        return self._own.take(place) if self._own.has(place) else self._real.take(place)

    def done_with(self, place: str) -> None:
        """Nothing: a copy of the real store's may be somebody's."""

    def remove(self, place: str) -> None:
        self._own.remove(place)
