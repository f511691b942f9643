"""What can go wrong with a job, told to the person who asked for it."""

from worker.errors import WorkerError


class JobError(WorkerError):
    """A job cannot be done as asked; the message says why and what to do."""


class JobCancelled(JobError):
    """Somebody stopped the job; what it finished so far is kept."""


class NotAtHand(JobError):
    """The worker lacks a file that the job needs, or has another in its place. Another worker may have it."""


class OtherVersion(JobError):
    """Workers of another version are at work on this catalog."""


class DeviceTaken(JobError):
    """Another worker of this machine has the GPU."""


class WorkerRunning(JobError):
    """Another worker holds this SQLite catalog."""
