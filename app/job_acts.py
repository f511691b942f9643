"""What people ask of a job from a page or a program: each under the last part of its address."""

from collections.abc import Callable, Mapping

from sqlalchemy import Engine

from catalog.engine import session_scope
from catalog.reader import CatalogReader
from catalog.records import HIGHEST_PRIORITY, JobRecord
from catalog.writer import CatalogWriter

Act = Callable[[CatalogReader, CatalogWriter, str], None]


def act_on(engine: Engine, job_id: str, act: str) -> JobRecord:
    """The job as it is then. act: one of ACTS. Raises the catalog's NotFound, and JobOver where the job is over."""
    with session_scope(engine, write=True) as session:
        reader = CatalogReader(session)
        ACTS[act](reader, CatalogWriter(session), job_id)
        session.flush()
        session.expire_all()
        return reader.job(job_id)


def _moved(by: int) -> Act:
    def move(reader: CatalogReader, writer: CatalogWriter, job_id: str) -> None:
        wanted = reader.job(job_id).priority + by
        writer.set_priority(job_id, max(-HIGHEST_PRIORITY, min(HIGHEST_PRIORITY, wanted)))

    return move


ACTS: Mapping[str, Act] = {
    "cancel": lambda _, writer, job_id: writer.cancel_job(job_id),
    "pause": lambda _, writer, job_id: writer.pause_job(job_id),
    "resume": lambda _, writer, job_id: writer.resume_job(job_id),
    "sooner": _moved(1),
    "later": _moved(-1),
}
