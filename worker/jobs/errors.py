"""What can go wrong with a job, told to the person who asked for it."""

from worker.errors import WorkerError


class JobError(WorkerError):
    """A job cannot be done as asked; the message says why and what to do."""


class JobCancelled(JobError):
    """Somebody stopped the job; what it finished so far is kept."""


class WorkerRunning(JobError):
    """Another worker holds this SQLite catalog."""
