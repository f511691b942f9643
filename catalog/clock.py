"""The time as the catalog writes it: UTC, ISO 8601, so that text order is time order."""

from datetime import UTC, datetime, timedelta


def now() -> str:
    """The present moment, to the microsecond."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def seconds_ago(seconds: float) -> str:
    """The moment that many seconds before this one."""
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="microseconds")
