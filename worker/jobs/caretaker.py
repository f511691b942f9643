"""What a worker does for the others, now and then: it looks at the rows of jobs and workers, and tells DBOS.

The work of dead workers goes back to its queue; jobs that people stop, let rest or let go on do so; what this worker
cannot do goes to those that can. What concerns all is done by the first of the living workers alone.
"""

import logging
from collections.abc import Iterable

from dbos import DBOS

from catalog.records import ENDED, JobRecord, WorkerRecord
from worker.jobs.at_work import AtWork
from worker.jobs.context import JobContext
from worker.jobs.durable import APPLICATION_VERSION, Listening, queue_of, set_priorities
from worker.jobs.heartbeats import Watch
from worker.jobs.returns import Returned

log = logging.getLogger(__name__)
ACTIVE = ["PENDING", "ENQUEUED"]
FORGOTTEN_AFTER_SECONDS = 24 * 3600.0


class Caretaker:
    """One for each worker process. executor_id: of this one."""

    def __init__(self, context: JobContext, listening: Listening, *, executor_id: str) -> None:
        self._context = context
        self._settings = settings = context.settings
        self._ledger = context.ledger
        self._listening = listening
        self._me = executor_id
        self._watch = Watch(stale_seconds=0.0 if settings.on_sqlite else settings.stale_seconds)
        self._refused: set[str] = set()
        self._priorities: dict[str, int] = {}

    def look(self) -> None:
        """Once round. Whatever the database does meanwhile, this worker's own jobs go on."""
        try:
            self._put_down(self._context.returns.take())
            take_up(self._context.at_work, self._me)
            with self._ledger.reading() as reader:
                workers = reader.workers()
                jobs = reader.jobs_in("queued", "running", "paused")
            living = self._watch.living(workers) | {self._me}
            self._listen(workers)
            if self._me == min(living):
                self._look_after_all(living, workers, jobs)
        except Exception:
            self._watch.look_away()
            log.warning("Looking after other workers failed; trying again soon.", exc_info=True)

    def _look_after_all(self, living: frozenset[str], workers: Iterable[WorkerRecord], jobs: list[JobRecord]) -> None:
        take_over(living)
        handed_back = {refusal.job_id for worker in workers for refusal in worker.refuses}
        self._stop_and_rest()
        go_on([job for job in jobs if job.status != "paused"], handed_back)
        self._follow_priorities(jobs)
        self._forget(living, handed_back)

    def _put_down(self, returned: list[Returned]) -> None:
        """Tell DBOS of what this worker has put down."""
        for each in returned:
            if each.reason is None:
                DBOS.cancel_workflow(each.workflow_id)
            else:
                self._hand_back(each.job_id, each.workflow_id, each.reason)

    def _hand_back(self, job_id: str, workflow_id: str, reason: str) -> None:
        """The workflow, and what waits of the same job, go to queues to which this worker does not listen."""
        if job_id not in self._refused:
            log.warning("This worker cannot do %s, hands it back and does not take it again. %s", job_id, reason)
        self._refused.add(job_id)
        with self._ledger.writing() as writer:
            writer.refuse(self._me, job_id, reason)
        waiting = DBOS.list_workflows(parent_workflow_id=job_id, status="ENQUEUED", load_input=False, load_output=False)
        mine = DBOS.list_workflows(workflow_ids=[workflow_id], load_input=False, load_output=False)
        for name in {workflow.name for workflow in (*waiting, *mine)}:
            queue = queue_of(name, job_id)
            self._listening.register(queue)
            ids = [workflow.workflow_id for workflow in (*mine, *waiting) if workflow.name == name]
            DBOS.resume_workflows(ids, queue_name=queue)

    def _listen(self, workers: Iterable[WorkerRecord]) -> None:
        """Take what others have handed back, where it is not a job that this worker refuses as well."""
        others = (worker for worker in workers if worker.executor_id != self._me)
        for job_id in {refusal.job_id for worker in others for refusal in worker.refuses} - self._refused:
            for workflow in ("harvest", "shard"):
                self._listening.to(queue_of(workflow, job_id))

    def _stop_and_rest(self) -> None:
        """Cancel the workflows, children included, of jobs that are over or rest."""
        active = DBOS.list_workflows(status=ACTIVE, has_parent=False, load_input=False, load_output=False)
        with self._ledger.reading() as reader:
            rows = reader.some_jobs(workflow.workflow_id for workflow in active)
        for workflow in active:
            job = rows.get(workflow.workflow_id)
            if job is None:
                continue
            if job.status in ("cancelled", "failed", "paused"):
                log.info("%s is %s; its work stops.", job.id, job.status)
                DBOS.cancel_workflow(job.id, cancel_children=True)
            elif workflow.app_version not in (None, APPLICATION_VERSION):
                self._ledger.ended(job.id, "failed", error=_begun_by_another(job.id, workflow.app_version))

    def _follow_priorities(self, jobs: list[JobRecord]) -> None:
        wanted = {job.id: job.priority for job in jobs}
        set_priorities(self._settings, {job: wanted[job] for job in wanted if self._priorities.get(job) != wanted[job]})
        self._priorities = wanted

    def _forget(self, living: frozenset[str], handed_back: set[str]) -> None:
        """Workers not heard of for a day, and what was handed back of jobs that are over."""
        with self._ledger.reading() as reader:
            old = [
                worker.executor_id
                for worker in reader.workers(alive_within_s=FORGOTTEN_AFTER_SECONDS)
                if not worker.alive and worker.executor_id not in living
            ]
            over = [job.id for job in reader.some_jobs(handed_back).values() if job.status in ENDED]
        if not old and not over:
            return
        with self._ledger.writing() as writer:
            for executor_id in old:
                writer.forget_worker(executor_id)
            for job_id in over:
                writer.forget_refusals(job_id)
        for job_id in over:
            for workflow in ("harvest", "shard"):
                DBOS.delete_queue(queue_of(workflow, job_id))


def take_over(living: frozenset[str]) -> None:
    """Resume what workers outside `living` were at, each on the queue it came from, so that its limits hold."""
    for workflow in DBOS.list_workflows(status="PENDING", load_input=False, load_output=False):
        if workflow.executor_id not in living:
            log.warning("Taking over %s from %s, which is gone.", workflow.workflow_id, workflow.executor_id)
            DBOS.resume_workflow(workflow.workflow_id, queue_name=workflow.queue_name or queue_of(workflow.name))


def take_up(at_work: AtWork, executor_id: str) -> None:
    """Resume what this worker holds and nobody here is at: its end could not be written down when it came."""
    held = DBOS.list_workflows(status="PENDING", executor_id=executor_id, load_input=False, load_output=False)
    queues = {workflow.workflow_id: workflow.queue_name or queue_of(workflow.name) for workflow in held}
    for workflow_id in at_work.strays(queues):
        log.warning("Taking up %s again.", workflow_id)
        DBOS.resume_workflow(workflow_id, queue_name=queues[workflow_id])


def go_on(jobs: list[JobRecord], handed_back: set[str]) -> None:
    """Resume the workflows of jobs that have rested, the shards first: their parent does not enqueue them again."""
    ids = [job.id for job in jobs]
    if not ids:
        return
    for root in DBOS.list_workflows(workflow_ids=ids, status="CANCELLED", load_input=False, load_output=False):
        log.info("%s goes on.", root.workflow_id)
        children = DBOS.list_workflows(
            parent_workflow_id=root.workflow_id, status="CANCELLED", load_input=False, load_output=False
        )
        for workflow in (*children, root):
            away = root.workflow_id if root.workflow_id in handed_back else None
            DBOS.resume_workflow(workflow.workflow_id, queue_name=queue_of(workflow.name, away))


def _begun_by_another(job_id: str, theirs: str | None) -> str:
    return (
        f"The job {job_id} was begun by a Featurescope whose steps are of version {theirs}; the workers that are up "
        f"have version {APPLICATION_VERSION} and cannot go on with it. Ask for it again."
    )
