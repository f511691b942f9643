"""Failures of the database that a person can mend, told apart by what the two drivers say."""

import errno
import sqlite3

import psycopg
from psycopg import errors as postgres

from catalog.errors import BadQuery, Busy, CatalogError, StorageFull, Unreachable, WrongRevision

_SQLITE_MESSAGES: tuple[tuple[str, type[CatalogError], str], ...] = (
    (
        "database or disk is full",
        StorageFull,
        "There is no room left on the disk of the catalog {url}. What was committed is kept: "
        "free some room, or move FEATURESCOPE_HOME to a larger disk. What waits for room goes on by itself.",
    ),
    (
        "database is locked",
        Busy,
        "The catalog {url} is held by another process and did not come free. Stop it, or try again.",
    ),
    (
        "unable to open database file",
        Unreachable,
        "The catalog {url} cannot be opened. Check that its folder exists and can be written to.",
    ),
    (
        "attempt to write a readonly database",
        Unreachable,
        "The catalog {url} cannot be written to. Check who owns its file and its folder.",
    ),
    (
        "file is not a database",
        Unreachable,
        "The file of the catalog {url} is not an SQLite database. Move it away, then run: make migrate.",
    ),
    (
        "disk I/O error",
        StorageFull,
        "The disk of the catalog {url} fails or has no room left. Check it. What waits for room goes on by itself.",
    ),
    ("no such table", WrongRevision, "The catalog {url} lacks tables that the code needs. Run: make migrate."),
)

_AWAY = ("08", "57P", "53300")
"""Of PostgreSQL's states: connection failures, shutting down or starting up, too many connections."""


def explain(error: BaseException | None, url: str) -> CatalogError | None:
    """The failure in words with the way out, or None where it is no failure a person can mend.

    url: of the database, its password hidden.
    """
    if isinstance(error, sqlite3.Error):
        return _explain_sqlite(str(error), url)
    if isinstance(error, psycopg.Error):
        return _explain_postgres(error, url)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return StorageFull(_SQLITE_MESSAGES[0][2].format(url=url))
    return None


def _explain_sqlite(message: str, url: str) -> CatalogError | None:
    for part, kind, text in _SQLITE_MESSAGES:
        if part in message:
            return kind(text.format(url=url))
    return None


def _explain_postgres(error: psycopg.Error, url: str) -> CatalogError | None:
    if isinstance(error, postgres.DiskFull):
        return StorageFull(
            f"PostgreSQL at {url} has no room left on its disk. What was committed is kept: free some. "
            "What waits for room goes on by itself."
        )
    if isinstance(error, postgres.LockNotAvailable | postgres.DeadlockDetected):
        return Busy(f"Another process holds what is needed in {url}. Try again.")
    if isinstance(error, postgres.UndefinedTable):
        return WrongRevision(f"The catalog {url} lacks tables that the code needs. Run: make migrate.")
    if isinstance(error, psycopg.DataError) and "NUL" in str(error):
        return BadQuery("What was asked for has a NUL character in it, which no name has.")
    if _is_away(error):
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "no answer"
        return Unreachable(
            f"PostgreSQL at {url} cannot be reached: {reason}. "
            "Check that it runs and that FEATURESCOPE_DATABASE_URL is right."
        )
    return None


def _is_away(error: psycopg.Error) -> bool:
    """Whether there is no server at the other end: never was, ended, or not yet up again."""
    if isinstance(error, psycopg.OperationalError):
        return error.sqlstate is None or error.sqlstate.startswith(_AWAY)
    return isinstance(error, psycopg.InterfaceError)
