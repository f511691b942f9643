"""What can go wrong on the way to a worker's live door, as people and programs are told."""

from app.failures import AppError


class LiveFailure(AppError):
    """A live request that got no answer. status: of HTTP. code: for programs. hint: the way out.

    retry_after_s: when it makes sense to ask again; None where the same request would fail again.
    """

    def __init__(
        self, message: str, *, status: int, code: str, hint: str = "", retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.hint = hint
        self.retry_after_s = retry_after_s


class ClientGone(AppError):
    """Whoever asked went away before there was an answer."""


def no_worker() -> LiveFailure:
    """Nobody is there to compute."""
    return LiveFailure(
        "No worker is up, so nothing can be computed just now.",
        status=503,
        code="no_worker",
        hint="Start one with: featurescope worker. What was harvested can be read meanwhile.",
        retry_after_s=3,
    )


def no_door() -> LiveFailure:
    """Workers are up, and none takes live requests."""
    return LiveFailure(
        "The workers that are up take no live requests.",
        status=503,
        code="no_live_door",
        hint="Start a worker without FEATURESCOPE_LIVE=no.",
    )


def no_secret() -> LiveFailure:
    """A worker is up, and this app does not know what to show it."""
    return LiveFailure(
        "A worker is up, but this app does not know its secret.",
        status=503,
        code="refused",
        hint="Let both use one FEATURESCOPE_HOME, or set FEATURESCOPE_LIVE_SECRET to the same value for both.",
    )


def lost(address: str) -> LiveFailure:
    """The worker ended, or its machine did, while it was at the request."""
    return LiveFailure(
        f"The worker at {address} went away while it was at this request.",
        status=502,
        code="worker_lost",
        hint="Ask again: it is answered as soon as a worker is up.",
        retry_after_s=3,
    )


def too_slow(address: str, seconds: float) -> LiveFailure:
    """The worker is there and has not answered."""
    return LiveFailure(
        f"The worker at {address} has not answered for {seconds:g} seconds, so this request was given up.",
        status=504,
        code="too_slow",
        hint="Send less text, or raise FEATURESCOPE_LIVE_TIMEOUT_SECONDS where the app runs.",
    )
