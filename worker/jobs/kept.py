"""What a finished harvest leaves in the store so that it can grow: the folded state of its reducers, one file each."""

from collections.abc import Sequence

from worker.harvest.batch import Contexts
from worker.harvest.fold import Folded
from worker.harvest.plan import HarvestPlan
from worker.jobs.places import kept_place
from worker.jobs.store import Store


def keep(store: Store, harvest_id: str, folded: Folded, digest: str) -> None:
    """Write the state. digest: of the harvest's plan. Raises HarvestError or StoreError where there is no room."""
    place = kept_place(harvest_id)
    folded.save(store.path(place), digest)
    store.put(place, store.path(place))
    store.done_with(place)


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
