"""What can be wrong with a harvest."""

from worker.errors import WorkerError


class HarvestError(WorkerError):
    """A harvest's plan, its partial results or what it is asked to do do not fit together."""
