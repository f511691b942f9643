"""What passes by itself is waited for: a full disk, a database that is away or held by somebody else.

A piece of work that fails for such a reason is done again when there is hope, as often as it takes. Pieces of work may
always be done again, and what they finished is kept, so nothing is lost but the time.
"""

import errno
import logging
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from catalog.errors import Busy, CatalogError, StorageFull, Unreachable
from worker.jobs.context import JobContext

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
LOOK_EVERY_SECONDS = 1.0
BYTES_OF_HOPE = 2**20
WAITS_FOR_ROOM = "Waiting for room on the disk"
Result = TypeVar("Result")
log = logging.getLogger(__name__)


def patiently(context: JobContext, job_id: str, work: Callable[[], Result]) -> Result:
    """What the work gives. While it waits, the job says for what, and can be stopped: JobCancelled is raised then.

    Whatever does not pass by itself is raised as it is.
    """

    def tell(error: Exception) -> None:
        waits_for = what_is_waited_for(error)
        log.warning("%s with the job %s: %s", waits_for, job_id, error)
        with suppress(CatalogError):
            context.ledger.goes_on(job_id, f"{waits_for}: {error}")

    def check() -> None:
        with suppress(CatalogError):
            context.ledger.raise_if_stopped(job_id)

    return persistently(work, home=context.home, tell=tell, check=check)


def persistently(
    work: Callable[[], Result],
    *,
    home: Path,
    tell: Callable[[Exception], None],
    check: Callable[[], None] = lambda: None,
) -> Result:
    """What the work gives, once nothing that passes by itself is in its way.

    home: a folder on the disk whose room is watched. tell: called with each failure. check: called once a second
    during a wait; what it raises ends it.
    """
    seconds = FIRST_WAIT_SECONDS
    while True:
        try:
            return work()
        except Exception as error:
            if not passes_by_itself(error):
                raise
            tell(error)
            wait(home, seconds, for_room=is_no_room(error), check=check)
            seconds = min(2 * seconds, LONGEST_WAIT_SECONDS)


def wait(home: Path, seconds: float, *, for_room: bool, check: Callable[[], None]) -> None:
    """Until the time is over, or there is more room on the disk than when it began."""
    free, until = free_bytes(home), time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(min(LOOK_EVERY_SECONDS, seconds))
        check()
        if for_room and free_bytes(home) >= free + BYTES_OF_HOPE:
            return


def free_bytes(home: Path) -> int:
    """Room on the disk of a folder; 0 where it cannot be told."""
    try:
        return shutil.disk_usage(home).free
    except OSError:
        return 0


def what_is_waited_for(error: BaseException) -> str:
    """The beginning of a line that says what is the matter."""
    return WAITS_FOR_ROOM if is_no_room(error) else "Waiting for the database"


def passes_by_itself(error: BaseException) -> bool:
    """Whether there is hope that the same will work later."""
    return is_no_room(error) or isinstance(error, Unreachable | Busy)


def is_no_room(error: BaseException) -> bool:
    """Whether a disk was full, be it behind an error that says so in its own words."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, StorageFull) or (isinstance(cause, OSError) and cause.errno in NO_ROOM):
            return True
        cause = cause.__cause__
    return False
