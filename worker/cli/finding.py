"""What the doctor finds: a subject, whether it is well, and a sentence."""

from collections.abc import Callable
from dataclasses import dataclass

from catalog.errors import CatalogError
from worker.errors import WorkerError


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ok: None where it is only information."""

    subject: str
    ok: bool | None
    text: str


def tried(subject: str, look: Callable[[], str]) -> Finding:
    """What `look` says, or what is wrong."""
    try:
        return Finding(subject, True, look())
    except (WorkerError, CatalogError, OSError) as error:
        return Finding(subject, False, str(error))
