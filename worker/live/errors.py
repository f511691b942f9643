"""What can go wrong with live inference, as the door answers it."""

from worker.errors import WorkerError


class LiveError(WorkerError):
    """A request that cannot be answered. status: of HTTP. code: for programs. hint: the way out."""

    def __init__(self, message: str, *, status: int = 422, code: str = "bad_request", hint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.hint = hint


def too_much(what: str, *, value: int, limit: int, setting: str, hint: str = "") -> LiveError:
    """The answer to a request beyond a limit."""
    return LiveError(
        f"The request has {value:,} {what}; the limit is {limit:,}.",
        status=413,
        code="too_large",
        hint=hint or f"Send fewer, or raise {setting} where the worker runs.",
    )
