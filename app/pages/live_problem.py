"""What went wrong with something asked of a live worker, as a page says it beside the form that it keeps."""

from dataclasses import dataclass

from app.live.failures import LiveFailure
from catalog.errors import BadQuery, CatalogError, NotFound

UNAVAILABLE = 503


@dataclass(frozen=True, slots=True)
class LiveProblem:
    """status: of HTTP. may_retry: the same request may be answered in a moment."""

    status: int
    title: str
    message: str
    hint: str = ""
    may_retry: bool = False


def live_problem(error: LiveFailure | CatalogError) -> LiveProblem:
    """The problem of an error that a page may go on after."""
    if isinstance(error, LiveFailure):
        return LiveProblem(error.status, _title(error), str(error), error.hint, error.retry_after_s is not None)
    if isinstance(error, NotFound):
        return LiveProblem(404, f"No such {error.kind}", str(error))
    if isinstance(error, BadQuery):
        return LiveProblem(422, "That cannot be asked", str(error))
    return LiveProblem(UNAVAILABLE, "The catalog cannot be read", str(error), may_retry=True)


def _title(error: LiveFailure) -> str:
    titles = {
        "no_worker": "No worker is up",
        "worker_lost": "The worker went away",
        "too_large": "Over a limit",
        "busy": "The worker is busy",
        "too_slow": "No answer in time",
        "out_of_memory": "No memory left",
    }
    return titles.get(error.code, "That cannot be computed")
