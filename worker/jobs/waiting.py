"""How a harvest waits for its shards, wherever they are."""

import time
from collections.abc import Sequence

from dbos import DBOS, WorkflowStatus

from worker.jobs.context import JobContext
from worker.jobs.durable import queue_of
from worker.jobs.errors import JobError
from worker.jobs.ledger import HARVESTING

LOOK_EVERY_SECONDS = 0.2
LOOKED_AT = 256


def wait_for_shards(context: JobContext, job_id: str, ids: Sequence[str]) -> None:
    """Until all are done. Raises JobError with the words of the first that failed, and what `raise_if_stopped` does.

    A shard that was laid to rest with its job, and left so, is put back on its queue.
    """
    context.ledger.goes_on(job_id, HARVESTING)
    waiting = list(ids)
    while waiting:
        context.ledger.raise_if_stopped(job_id)
        over = {status.workflow_id for status in _statuses(waiting[:LOOKED_AT]) if _is_over(status)}
        waiting = [each for each in waiting if each not in over]
        if waiting and not over:
            time.sleep(LOOK_EVERY_SECONDS)


def _statuses(ids: list[str]) -> list[WorkflowStatus]:
    return DBOS.list_workflows(workflow_ids=ids, status=["SUCCESS", "ERROR", "CANCELLED"], load_input=False)


def _is_over(shard: WorkflowStatus) -> bool:
    if shard.status == "CANCELLED":
        DBOS.resume_workflow(shard.workflow_id, queue_name=queue_of(shard.name))
        return False
    if shard.status == "ERROR":
        raise JobError(f"A shard of the harvest ended unexpectedly: {shard.error}.")
    outcome = shard.output or {}
    if "error" in outcome:
        raise JobError(outcome["error"])
    return True
