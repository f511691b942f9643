"""The edge between jobs and the durable workflows that carry them: here a failure becomes a row that people read."""

import logging
from collections.abc import Callable
from typing import Any

from catalog.errors import CatalogError
from dbos.error import DBOSException

from worker.errors import WorkerError
from worker.jobs.errors import JobCancelled
from worker.jobs.ledger import Ledger

Outcome = dict[str, Any]
log = logging.getLogger(__name__)


def run_job(ledger: Ledger, job_id: str, body: Callable[[], Outcome]) -> Outcome:
    """Run the body of a workflow and write down how it ended.

    The outcome is JSON: what the body returned, or {"error": ...}. What DBOS itself raises goes through, so that a
    workflow that was cancelled or taken over by another worker stays in DBOS's hands.
    """
    try:
        ledger.started(job_id)
        outcome = body()
    except JobCancelled as stop:
        ledger.ended(job_id, "cancelled", message=str(stop))
        return {"error": str(stop)}
    except DBOSException:
        raise
    except (WorkerError, CatalogError, OSError) as error:
        return _failed(ledger, job_id, plain_message(error))
    except Exception as error:  # noqa: BLE001 (the job loop is an edge: whatever happens, the row says so)
        log.exception("Job %s failed unexpectedly.", job_id)
        return _failed(ledger, job_id, f"Unexpected {type(error).__name__}: {error}. The worker's log has the details.")
    ledger.ended(job_id, "complete", message=str(outcome.get("message", "")))
    return outcome


def plain_message(error: Exception) -> str:
    """What went wrong, as a person reads it; a full disk is named as such."""
    if isinstance(error, OSError) and error.errno is not None and "space" in (error.strerror or "").lower():
        where = f" while writing {error.filename!r}" if error.filename else ""
        return f"There is no space left on the disk{where}. Free some and ask again: what is finished is kept."
    return str(error) or type(error).__name__


def _failed(ledger: Ledger, job_id: str, message: str) -> Outcome:
    ledger.ended(job_id, "failed", error=message)
    return {"error": message}
