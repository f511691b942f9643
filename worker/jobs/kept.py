"""What a finished harvest leaves in the store so that it can grow: the folded state of its reducers, one file each."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from worker.harvest.batch import Contexts
from worker.harvest.fold import Folded
from worker.harvest.partial import PartialFile
from worker.harvest.plan import HarvestPlan
from worker.jobs.places import kept_place
from worker.jobs.store import Store


class Keeping:
    """The state of a harvest being written, dictionary after dictionary; a context manager.

    digest: of the harvest's plan. Raises HarvestError or StoreError where there is no room.
    """

    def __init__(self, store: Store, harvest_id: str, digest: str) -> None:
        self._store, self._place = store, kept_place(harvest_id)
        self._file = PartialFile(store.path(self._place), digest)
        self._n_added = 0

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def add(self, folded: Folded) -> None:
        """The next dictionaries in their order."""
        folded.add_to(self._file, first=self._n_added)
        self._n_added += len(folded.reducers)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, trace)
        if kind is None:
            self._store.put(self._place, self._store.path(self._place))
            self._store.done_with(self._place)


def read_kept(
    store: Store, harvest_id: str, plan: HarvestPlan, *, contexts: Contexts, digest: str, places: Sequence[int]
) -> Folded:
    """The state of some dictionaries of a harvest, for a plan that goes on where it ended.

    digest: of the harvest's own plan. Raises MissingInStore, or HarvestError where the file is damaged.
    """
    place = kept_place(harvest_id)
    folded = Folded.load(store.take(place), plan, contexts=contexts, digest=digest, places=places)
    store.done_with(place)
    return folded


def kept_bytes(store: Store, harvest_id: str) -> int | None:
    """Size of what is kept of a harvest; None where nothing is, so that it cannot grow."""
    return store.size(kept_place(harvest_id))


def drop(store: Store, harvest_id: str) -> None:
    """Remove what is kept of a harvest; its pages stay as they are."""
    store.remove(kept_place(harvest_id))
