"""Why a job that is not over stands still, told from its row and the workers there are."""

from collections.abc import Iterable

from catalog.records import ENDED, JobRecord, WorkerRecord


def hindrance(job: JobRecord, workers: Iterable[WorkerRecord]) -> str:
    """A sentence with the way out; empty where some worker that is up can do the job, or where it rests or is over."""
    if job.status in ENDED or job.status == "paused":
        return ""
    alive = [worker for worker in workers if worker.alive]
    if not alive:
        return "No worker is up, so nothing moves. Start one with: featurescope worker"
    reasons = [refusal.reason for worker in alive for refusal in worker.refuses if refusal.job_id == job.id]
    if len(reasons) < len(alive):
        return ""
    who = "The only worker that is up" if len(alive) == 1 else f"None of the {len(alive)} workers that are up"
    return f"{who} {'cannot' if len(alive) == 1 else 'can'} do this: {' '.join(dict.fromkeys(reasons))}"
