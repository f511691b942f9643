"""Connections to the catalog's database: SQLite or PostgreSQL, behind one function.

On SQLite a reader begins a deferred transaction, which never takes the write lock, and a writer begins an
immediate one, so that two writers wait for each other and never fail in the middle.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.orm import Session

from catalog.errors import CatalogError, Unreachable
from catalog.failures import explain

PAGE_SIZE = 16_384
BUSY_TIMEOUT_S = 30
CONNECT_TIMEOUT_S = 10
READ_CACHE_KIB, WRITE_CACHE_KIB = 2_048, 65_536
"""Indexes of a million features are written all over, which takes several times as long with SQLite's own 2 MB."""
_WRITES, _CACHE = "catalog_writes", "catalog_cache_kib"


def make_engine(url: str) -> Engine:
    """An engine for `sqlite:///path` or `postgresql://user@host/name`; nothing is opened yet.

    The folder of an SQLite file is made when the file is first opened. Failures that a person can mend
    (no room, locked, unreachable, no tables) come out as CatalogError. Raises CatalogError on another kind of URL.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        engine = _sqlite_engine(parsed)
    else:
        # A server that does not even refuse is given up after a while; an address that says otherwise is obeyed.
        waits = {} if "connect_timeout" in parsed.query else {"connect_timeout": CONNECT_TIMEOUT_S}
        engine = create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, connect_args=waits)
    event.listen(engine, "handle_error", _say_plainly)
    return engine


@contextmanager
def session_scope(engine: Engine, *, write: bool = False) -> Iterator[Session]:
    """A session for one piece of work: committed at the end when it writes, rolled back on an error.

    A reading session sees one unchanging state of the database and cannot write on PostgreSQL.
    """
    with make_session(engine, write=write) as session:
        yield session
        # Whoever only read has everything already; that the server went away meanwhile is told to whoever asks next.
        with nullcontext() if write else suppress(Unreachable):
            session.commit()


def make_session(engine: Engine, *, write: bool = False) -> Session:
    """A session that its owner commits and closes. A bulk writer takes one of these: it commits as it goes."""
    options: dict[str, Any] = {_WRITES: write}
    if engine.dialect.name == "postgresql" and not write:
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    return Session(engine.execution_options(**options), autoflush=False, expire_on_commit=False)


def _parse(url: str) -> URL:
    try:
        parsed = make_url("postgresql://" + url.removeprefix("postgres://") if url.startswith("postgres://") else url)
        backend = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError):
        backend = None
    if backend not in ("sqlite", "postgresql"):
        raise CatalogError(
            f"The database URL {url!r} is of no kind we know. Use sqlite:///path or postgresql://user:password@host/name."
        )
    return parsed


class _WithHints(SQLiteCompiler):
    """Writes INDEXED BY where a query names an index by `with_hint`, which SQLAlchemy leaves out for SQLite."""

    def get_from_hint_text(self, table: Any, text: str | None) -> str | None:
        return text


def _sqlite_engine(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False})
    engine.dialect.statement_compiler = _WithHints
    if url.database and url.database != ":memory:":
        folder = Path(url.database).parent
        event.listen(engine, "do_connect", lambda *_: _make_folder(folder))
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unreachable(f"The catalog's folder {str(folder)!r} cannot be made: {error.strerror}.") from error


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA page_size = {PAGE_SIZE}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA mmap_size = 268435456")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    cache = WRITE_CACHE_KIB if writes else READ_CACHE_KIB
    if connection.info.get(_CACHE, READ_CACHE_KIB) != cache:
        connection.exec_driver_sql(f"PRAGMA cache_size = -{cache}")
        connection.info[_CACHE] = cache
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _say_plainly(context: ExceptionContext) -> None:
    url = context.engine.url if context.engine else None
    error = explain(context.original_exception, url.render_as_string() if url else "the database")
    if error is not None:
        raise error from context.original_exception
