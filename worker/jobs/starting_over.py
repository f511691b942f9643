"""When the tables of jobs cannot be written: a worker waits for room, and starts itself anew where it stood."""

import logging
import os
from collections.abc import Callable
from typing import NoReturn, TypeVar

from dbos import DBOS
from sqlalchemy.exc import InterfaceError, OperationalError

from worker.jobs.context import JobContext
from worker.jobs.leaving import begin_again
from worker.jobs.patience import persistently

LOST = (OperationalError, InterfaceError)
BYTES_TO_START = 2**20
Result = TypeVar("Result")
log = logging.getLogger(__name__)


def written_down(context: JobContext, write: Callable[[], object]) -> None:
    """Write what must not be lost, when there is room for it and the database is there."""
    persistently(write, home=context.home, tell=lambda error: log.warning("This waits to be written down: %s", error))


def start_over(context: JobContext, error: Exception) -> NoReturn:
    """The tables of jobs could not be written, and nobody knows how far a workflow is: the worker starts anew.

    Everything it was at is then taken up again behind the last step that was written down. It waits until there is
    room, lest it only come this far again.
    """
    log.warning("The worker starts anew, because the tables of jobs cannot be written: %s", error)
    persistently(lambda: _try_writing(context), home=context.home, tell=lambda lost: log.warning("%s", lost))
    begin_again("The worker starts anew; its jobs go on where they were.")


def _try_writing(context: JobContext) -> None:
    """Raises what `persistently` waits for while the disk is full or the database away."""
    probe = context.home / f".room-{os.getpid()}"
    try:
        probe.write_bytes(bytes(BYTES_TO_START))
    finally:
        probe.unlink(missing_ok=True)
    with context.ledger.writing() as writer:
        writer.take_turn()


def in_hand(context: JobContext, work: Callable[[], Result]) -> Result:
    """The body of a workflow that a parent waits for: it starts over where its steps cannot be written down."""
    with context.at_work.on(DBOS.workflow_id):
        try:
            return work()
        except LOST as lost:
            start_over(context, lost)
