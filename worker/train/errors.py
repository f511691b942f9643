"""What can be wrong with a training run."""

from worker.errors import WorkerError


class TrainingError(WorkerError):
    """A run cannot start, go on or be resumed; the message says why and the way out."""
