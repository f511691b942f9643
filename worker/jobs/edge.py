"""The edge between jobs and the durable workflows that carry them: here a failure becomes words that people read."""

import errno
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

from dbos import DBOS, PortableWorkflowError
from dbos import error as dbos_error

from catalog.errors import CatalogError
from catalog.log_lines import bound, told
from worker.errors import WorkerError
from worker.jobs.context import JobContext
from worker.jobs.errors import JobCancelled, NotAtHand
from worker.jobs.pausing import HandedBack, JobPaused
from worker.jobs.returns import Returned
from worker.jobs.starting_over import LOST, start_over, written_down

Outcome = dict[str, Any]
Result = TypeVar("Result")
KNOWN = (WorkerError, CatalogError, OSError, PortableWorkflowError)
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
log = logging.getLogger(__name__)


def run_job(context: JobContext, job_id: str, body: Callable[[], Outcome]) -> Outcome:
    """Run the body of a workflow and write down how it ended, in the job's row and in the log.

    The outcome is JSON: what the body returned, or {"error": ...}. What DBOS itself raises goes through, so that a
    workflow that was cancelled or taken over by another worker stays in DBOS's hands.
    """
    began = time.monotonic()
    with bound(job=job_id), context.at_work.on(DBOS.workflow_id):
        log.info("The job begins.")
        try:
            outcome, status = _run_body(context, job_id, body)
        finally:
            context.figures.over(job_id)
        context.figures.job_ended(status)
        seconds = round(time.monotonic() - began, 3)
        log.info("The job is %s after %.1f s.", status, seconds, extra=told(status=status, seconds=seconds))
    return outcome


def _run_body(context: JobContext, job_id: str, body: Callable[[], Outcome]) -> tuple[Outcome, str]:
    """The outcome, in JSON, and the status it was written down as."""
    ledger = context.ledger
    try:
        with put_down(context, job_id):
            written_down(context, lambda: ledger.started(job_id))
            outcome = body()
    except JobCancelled as stop:
        return _over(context, job_id, "cancelled", message=str(stop)), "cancelled"
    except dbos_error.DBOSException:
        raise
    except LOST as lost:
        start_over(context, lost)
    except Exception as error:  # noqa: BLE001 (the job loop is an edge: whatever happens, the row says so)
        return _over(context, job_id, "failed", message=in_words(error)), "failed"
    written_down(context, lambda: ledger.ended(job_id, "complete", message=str(outcome.get("message", ""))))
    return outcome, "complete"


@contextmanager
def put_down(context: JobContext, job_id: str) -> Iterator[None]:
    """The body of a workflow. Where the job rests, or this worker cannot do it, the caretaker is told."""
    try:
        yield
    except JobPaused:
        context.returns.add(Returned(job_id, _workflow_id()))
        raise
    except HandedBack as back:
        context.returns.add(Returned(job_id, _workflow_id(), reason=str(back.__cause__)))
        raise


def handing_back(context: JobContext, work: Callable[[], Result]) -> Callable[[], Result]:
    """The same work, which another worker is to do where this one lacks a file. A sole worker just fails."""

    def tried() -> Result:
        try:
            return work()
        except NotAtHand as missing:
            if context.settings.on_sqlite:
                raise
            raise HandedBack("This worker lacks a file of the job.") from missing

    return tried


def _workflow_id() -> str:
    found = DBOS.workflow_id
    assert found is not None
    return found


def _over(context: JobContext, job_id: str, status: Literal["failed", "cancelled"], *, message: str) -> Outcome:
    error = message if status == "failed" else None
    shown = message if error is None else "Failed"
    written_down(context, lambda: context.ledger.ended(job_id, status, message=shown, error=error))
    return {"error": message}


def plain_failure(work: Callable[[], Outcome]) -> Callable[[], Outcome]:
    """The same work, which gives {"error": ...} where it fails, for a parent in another process to read."""

    def told() -> Outcome:
        try:
            return work()
        except dbos_error.DBOSException:
            raise
        except Exception as error:  # noqa: BLE001 (the job loop is an edge: the parent tells people)
            return {"error": in_words(error)}

    return told


def in_words(error: Exception) -> str:
    """What went wrong, as a person reads it. What nobody foresaw also goes to the log, with its stack trace."""
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        where = f" while writing {error.filename!r}" if error.filename else ""
        return f"There is no space left on the disk{where}. Free some and ask again: what is finished is kept."
    if isinstance(error, KNOWN):
        return str(error) or type(error).__name__
    log.error("A job failed unexpectedly.", exc_info=error)
    return f"Unexpected {type(error).__name__}: {error}. The worker's log has the details."
