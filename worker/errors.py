"""The root of every error the worker raises on purpose."""


class WorkerError(Exception):
    """Something outside the worker is not as it must be; the message names it and the way out."""
