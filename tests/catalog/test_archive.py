"""A catalog goes into one file while it is in use, and comes back the same on either database, or not at all."""

import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, text

from catalog.archive.layout import MANIFEST
from catalog.archive.read import open_archive
from catalog.archive.restore import LEFT_BEHIND, Restored, restore
from catalog.archive.tables import tables_of
from catalog.archive.write import write_archive
from catalog.digest import catalog_digest
from catalog.engine import make_engine, session_scope
from catalog.errors import BackupFailed, BadArchive, NotEmpty, WrongRevision
from catalog.reader import CatalogReader
from catalog.records import SO_FAR, JobRecord, WorkerRecord
from catalog.revision import check_revision, database_revision, migrate, needed_revision, upgrade
from catalog.schema import LabelRow, ModelRow
from catalog.writer import CatalogWriter
from tests.catalog.labelling import KIM, ROOT, say
from tests.catalog.random_features import SmallCatalog, fill, harvest_record
from tests.conftest import new_postgres_database

PATIENCE_SECONDS = 120


@pytest.fixture(params=["sqlite", "postgres"])
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A second database, that does not exist yet or is empty, of each kind for each kind of the first."""
    if request.param == "sqlite":
        engine = make_engine(f"sqlite:///{tmp_path / 'other.sqlite'}")
        yield engine
        engine.dispose()
        return
    with new_postgres_database(request.getfixturevalue("postgres_server")) as url:
        engine = make_engine(url)
        yield engine
        engine.dispose()


@pytest.fixture
def lived_in(own_catalog: SmallCatalog) -> Engine:
    """A catalog with a harvest, labels that try the encoding, jobs and a worker."""
    with session_scope(own_catalog.engine, write=True) as session:
        writer = CatalogWriter(session)
        key = say(writer, 5, "naïve\t東京 😀\n\\N \\.", by="a\\b")
        writer.labels.vote(key, -1, by=KIM)
        writer.labels.choose(key, by=ROOT)
        writer.labels.hide(say(writer, 6, "rude"), by=ROOT, reason="unkind")
        writer.save_job(job("done", status="complete", rate=1.0 / 3.0))
        writer.save_job(job("going", status="running", rate=5e-324))
        writer.heartbeat(WorkerRecord("w", "host", 1, "0", "cpu", "", alive=True))
    return own_catalog.engine


def job(name: str, *, status: str, rate: float | None) -> JobRecord:
    return JobRecord(
        name, "harvest", "title", status, 2**40, 2**41, "tokens", rate, None, "", None, "2026-01-01", None, None
    )


def put_back(engine: Engine, path: Path, *, replace: bool = False) -> Restored:
    with open_archive(path) as archive:
        archive.verify()
        return restore(engine, archive, replace=replace)


def rows_of(engine: Engine) -> dict[str, list[tuple]]:
    """Every lasting row of every table, as plain values, what restoring changes left out."""
    with session_scope(engine) as session:
        connection = session.connection()
        return {
            table.name: [
                tuple(str(value) if isinstance(value, dict | list) else value for value in row)
                for row in connection.execute(select(table).order_by(*table.primary_key.columns))
            ]
            for table in tables_of(connection)
            if table.name != "job"
        }


def digest_of(engine: Engine) -> str:
    with session_scope(engine) as session:
        return catalog_digest(session).sha256


def test_a_catalog_comes_back_row_by_row_on_either_database(lived_in: Engine, other: Engine, tmp_path: Path):
    manifest = write_archive(lived_in, tmp_path / "backup")
    restored = put_back(other, tmp_path / "backup")
    check_revision(other)
    assert rows_of(other) == rows_of(lived_in)
    assert digest_of(other) == digest_of(lived_in)
    assert restored.rows == manifest.rows == sum(entry.rows for entry in manifest.tables) > 100
    assert not list(tmp_path.glob("*.unfinished"))


def test_jobs_that_were_under_way_are_over_and_workers_are_not_remembered(
    lived_in: Engine, other: Engine, tmp_path: Path
):
    write_archive(lived_in, tmp_path / "backup")
    assert put_back(other, tmp_path / "backup").ended == 1
    with session_scope(other) as session:
        reader = CatalogReader(session)
        done, going = reader.job("done"), reader.job("going")
        assert reader.workers() == []
    assert (done.status, done.rate, done.done) == ("complete", 1.0 / 3.0, 2**40)
    assert (going.status, going.error, going.rate) == ("failed", LEFT_BEHIND, 5e-324)
    assert going.finished_at


def test_a_preview_says_after_a_restore_that_its_harvest_does_not_go_on(
    lived_in: Engine, other: Engine, tmp_path: Path
):
    so_far = {"harvest": "second", "shards": 1, "of_shards": 4, "tokens": 1_000, "of_tokens": 4_000}
    preview = replace(harvest_record(), id="preview-second-1", provenance={SO_FAR: so_far})
    with session_scope(lived_in, write=True) as session:
        CatalogWriter(session).add_harvest(preview)
        CatalogWriter(session).show_preview(preview.id)
    write_archive(lived_in, tmp_path / "backup")
    put_back(other, tmp_path / "backup")
    with session_scope(other) as session:
        assert CatalogReader(session).harvest(preview.id).so_far == {**so_far, "stopped": "failed"}


def test_new_rows_get_new_ids_after_a_restore(lived_in: Engine, other: Engine, tmp_path: Path):
    write_archive(lived_in, tmp_path / "backup")
    put_back(other, tmp_path / "backup")
    with session_scope(other, write=True) as session:
        say(CatalogWriter(session), 6, "later", by="b")
    with session_scope(other) as session:
        assert session.scalars(select(LabelRow.id).order_by(LabelRow.id)).all() == [1, 2, 3]


def test_a_backup_shows_one_moment_of_a_catalog_that_is_being_written(own_catalog: SmallCatalog, tmp_path: Path):
    """A writer adds one label to each of two features, in one transaction, again and again."""
    engine, stop, written = own_catalog.engine, threading.Event(), threading.Semaphore(0)

    def write() -> None:
        for time in count():
            if stop.is_set():
                return
            with session_scope(engine, write=True) as session:
                for index in (1, 2):
                    say(CatalogWriter(session), index, f"twice, time {time}", by="w")
            written.release()

    thread = threading.Thread(target=write)
    thread.start()
    progressed: list[str] = []

    def wait_for_a_write(table: str, _done: int, _total: int) -> None:
        progressed.append(table)
        assert written.acquire(timeout=PATIENCE_SECONDS), "nothing could be written beside the backup"

    try:
        written.acquire(timeout=PATIENCE_SECONDS)
        write_archive(engine, tmp_path / "backup", on_progress=wait_for_a_write)
    finally:
        stop.set()
        thread.join(timeout=PATIENCE_SECONDS)
    target = make_engine(f"sqlite:///{tmp_path / 'restored.sqlite'}")
    put_back(target, tmp_path / "backup")
    with session_scope(target) as session:
        counts = dict(session.execute(select(LabelRow.index, func.count()).group_by(LabelRow.index)).all())
    with session_scope(engine) as session:
        in_the_end = session.scalar(select(func.count()).select_from(LabelRow))
    target.dispose()
    assert len(progressed) > 10
    assert counts[1] == counts[2] >= 1
    assert in_the_end > counts[1] + counts[2]


def test_a_catalog_that_holds_something_is_not_overwritten_unasked(lived_in: Engine, tmp_path: Path):
    write_archive(lived_in, tmp_path / "backup")
    before = rows_of(lived_in)
    with pytest.raises(NotEmpty, match="--replace"):
        put_back(lived_in, tmp_path / "backup")
    with session_scope(lived_in, write=True) as session:
        say(CatalogWriter(session), 7, "since then", by="b")
    put_back(lived_in, tmp_path / "backup", replace=True)
    assert rows_of(lived_in) == before


@pytest.mark.parametrize("place", [0.2, 0.5, 0.9])
def test_a_damaged_backup_is_refused_before_anything_is_touched(lived_in: Engine, tmp_path: Path, place: float):
    write_archive(lived_in, tmp_path / "backup")
    data = bytearray((tmp_path / "backup").read_bytes())
    data[int(len(data) * place)] ^= 0x55
    (tmp_path / "backup").write_bytes(data)
    before = rows_of(lived_in)
    with pytest.raises(BadArchive):
        put_back(lived_in, tmp_path / "backup", replace=True)
    assert rows_of(lived_in) == before


@pytest.mark.parametrize("kept", [0, 10, 1000, -1])
def test_a_backup_that_is_cut_off_is_refused(lived_in: Engine, tmp_path: Path, kept: int):
    write_archive(lived_in, tmp_path / "backup")
    (tmp_path / "backup").write_bytes((tmp_path / "backup").read_bytes()[:kept])
    with pytest.raises(BadArchive, match="no backup of a catalog"):
        put_back(lived_in, tmp_path / "backup", replace=True)


def rewritten(path: Path, **changes: object) -> Path:
    """The same archive with another manifest."""
    other = path.with_name("rewritten")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(other, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name == MANIFEST:
                data = json.dumps(json.loads(data) | changes).encode()
            target.writestr(name, data)
    return other


def test_rows_that_are_not_there_leave_the_catalog_as_it_was(lived_in: Engine, other: Engine, tmp_path: Path):
    """The bytes are sound, so that it is only found out in the middle of the restore."""
    write_archive(lived_in, tmp_path / "backup")
    with zipfile.ZipFile(tmp_path / "backup") as archive:
        tables = json.loads(archive.read(MANIFEST))["tables"]
    tables[-1]["rows"] += 1
    migrate(other)
    with pytest.raises(BadArchive, match=r"were written|does not hold"):
        put_back(other, rewritten(tmp_path / "backup", tables=tables))
    check_revision(other)
    assert not any(rows_of(other).values())


def test_a_backup_without_one_of_the_tables_is_refused(lived_in: Engine, tmp_path: Path):
    write_archive(lived_in, tmp_path / "backup")
    with zipfile.ZipFile(tmp_path / "backup") as archive:
        tables = json.loads(archive.read(MANIFEST))["tables"]
    before = rows_of(lived_in)
    with pytest.raises(BadArchive, match="lacks or adds tables"):
        put_back(lived_in, rewritten(tmp_path / "backup", tables=tables[:-1]), replace=True)
    assert rows_of(lived_in) == before


def test_a_backup_of_a_newer_version_is_refused(lived_in: Engine, tmp_path: Path):
    write_archive(lived_in, tmp_path / "backup")
    with pytest.raises(WrongRevision, match=r"9999.*update the code"):
        put_back(lived_in, rewritten(tmp_path / "backup", revision="9999"), replace=True)
    with pytest.raises(BadArchive, match="format 99"):
        put_back(lived_in, rewritten(tmp_path / "backup", format_version=99), replace=True)


def test_other_files_are_no_backups(engine: Engine, tmp_path: Path):
    (tmp_path / "text").write_text("not a zip")
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("other", "x")
    for name in ("text", "zip", "missing"):
        with pytest.raises(BadArchive, match=name):
            put_back(engine, tmp_path / name)


def test_an_old_catalog_is_archived_as_it_is_and_migrated_when_it_comes_back(
    database_url: str, other: Engine, tmp_path: Path
):
    engine = make_engine(database_url)
    with session_scope(engine, write=True) as session:
        upgrade(session.connection(), "0001")
        model = {"slug": "old", "tokenizer_rules": "{}"} | {
            name: 1 if name in ("d_model", "n_layers", "d_vocab", "n_ctx") else "x"
            for name in [column.name for column in ModelRow.__table__.columns]
            if name not in ("id", "slug", "tokenizer_rules")
        }
        names = ", ".join(model)
        session.execute(text(f"INSERT INTO model ({names}) VALUES ({', '.join(':' + name for name in model)})"), model)
    assert write_archive(engine, tmp_path / "backup").revision == "0001"
    assert database_revision(engine) == "0001"
    engine.dispose()
    assert put_back(other, tmp_path / "backup").revision == needed_revision()
    with session_scope(other) as session:
        assert [record.slug for record in CatalogReader(session).models()] == ["old"]


def test_an_empty_catalog_can_be_kept_too(engine: Engine, other: Engine, tmp_path: Path):
    assert write_archive(engine, tmp_path / "backup").rows == 0
    assert put_back(other, tmp_path / "backup").rows == 0
    check_revision(other)


def test_a_database_without_tables_and_a_folder_that_is_not_there_are_said_so(
    database_url: str, own_catalog: SmallCatalog, tmp_path: Path
):
    with pytest.raises(BackupFailed, match="no/such"):
        write_archive(own_catalog.engine, tmp_path / "no/such/backup")
    empty = make_engine(f"sqlite:///{tmp_path / 'nothing.sqlite'}")
    with pytest.raises(WrongRevision, match="nothing to back up"):
        write_archive(empty, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_filling_two_catalogs_the_same_gives_the_same_digest(engine: Engine, other: Engine):
    migrate(other)
    fill(engine)
    fill(other)
    assert digest_of(engine) == digest_of(other)
