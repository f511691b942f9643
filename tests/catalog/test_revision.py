"""Migrations build exactly the schema, and a database of another revision is refused with the way out."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, text

from catalog.engine import PAGE_SIZE, make_engine, session_scope
from catalog.errors import CatalogError, WrongRevision
from catalog.reader import CatalogReader
from catalog.revision import check_revision, database_revision, migrate, needed_revision
from catalog.schema import Base


def test_migrations_build_exactly_the_schema(engine: Engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_a_migrated_database_fits_the_code_and_migrating_again_changes_nothing(engine: Engine):
    check_revision(engine)
    before = database_revision(engine)
    migrate(engine)
    assert database_revision(engine) == before


def test_a_database_without_tables_is_refused_with_the_way_out(database_url: str):
    engine = make_engine(database_url)
    with pytest.raises(
        WrongRevision, match=rf"has no tables yet, the code needs revision {needed_revision()}\. Run: make"
    ):
        check_revision(engine)
    with pytest.raises(WrongRevision, match="Run: make migrate"), session_scope(engine) as session:
        CatalogReader(session).dictionaries()
    engine.dispose()


def test_a_database_of_a_newer_code_is_refused_and_not_touched(engine: Engine):
    with session_scope(engine, write=True) as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for act in (check_revision, migrate):
        with pytest.raises(
            WrongRevision,
            match=rf"revision 9999, which this code does not know; it needs {needed_revision()}.*update the",
        ):
            act(engine)
    assert database_revision(engine) == "9999"


def test_processes_that_migrate_at_once_wait_for_each_other(database_url: str):
    code = "import sys; from catalog.engine import make_engine; from catalog.revision import migrate; "
    command = [sys.executable, "-c", code + "migrate(make_engine(sys.argv[1]))", database_url]
    root = Path(__file__).parents[2]
    processes = [subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [(process.communicate()[1], process.returncode) for process in processes] == [("", 0), ("", 0)]
    engine = make_engine(database_url)
    check_revision(engine)
    engine.dispose()


def test_an_sqlite_catalog_has_large_pages_and_a_write_ahead_log(sqlite_url: str):
    engine = make_engine(sqlite_url)
    migrate(engine)
    with session_scope(engine) as session:
        wanted = {"page_size": PAGE_SIZE, "journal_mode": "wal", "foreign_keys": 1}
        assert {name: session.scalar(text(f"PRAGMA {name}")) for name in wanted} == wanted
    engine.dispose()


def test_a_file_that_is_no_database_is_named(tmp_path: Path):
    (tmp_path / "catalog.sqlite").write_bytes(b"nothing that SQLite knows" * 100)
    with pytest.raises(CatalogError, match=r"catalog\.sqlite is not an SQLite database"):
        check_revision(make_engine(f"sqlite:///{tmp_path / 'catalog.sqlite'}"))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CatalogError, match="cannot be made"):
        check_revision(make_engine(f"sqlite:///{tmp_path / 'file' / 'deeper' / 'catalog.sqlite'}"))


def test_a_postgres_that_does_not_answer_is_named_without_its_password(tmp_path: Path):
    with pytest.raises(CatalogError, match="cannot be reached") as caught:
        check_revision(make_engine(f"postgresql://me:secret@/nothing?host={tmp_path}"))
    assert "secret" not in str(caught.value)


def test_a_disk_without_room_is_said_plainly_and_keeps_what_was_committed(sqlite_url: str):
    engine = make_engine(sqlite_url)
    migrate(engine)
    row = "INSERT INTO job SELECT :number, :name, '', '', 0, 0, '', 0, 0, '', '', '', '', '', 0"
    with pytest.raises(CatalogError, match=r"no room left on the disk .*free some room"):
        fill_up(engine, row)
    engine.dispose()
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as connection:
        assert connection.execute("SELECT id FROM job").fetchall() == [("committed",)]


def fill_up(engine: Engine, row: str) -> None:
    """Commits one row, and then writes more than the database may hold."""
    with session_scope(engine, write=True) as session:
        session.execute(text(row), {"number": "committed", "name": ""})
    with session_scope(engine, write=True) as session:
        pages = session.scalar(text("PRAGMA page_count"))
        session.execute(text(f"PRAGMA max_page_count = {pages + 1}"))
        for number in range(100):
            session.execute(text(row), {"number": str(number), "name": "x" * 9_000})
