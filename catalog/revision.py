"""Which revision the database is at, which one the code needs, and the way from one to the other."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from catalog.engine import make_session
from catalog.errors import WrongRevision

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"


def check_revision(engine: Engine) -> None:
    """Returns where the database fits the code; else raises WrongRevision naming both revisions and the way out."""
    found, scripts = database_revision(engine), ScriptDirectory.from_config(_config())
    needed = scripts.get_current_head()
    where = engine.url.render_as_string()
    if found == needed:
        return
    if found is None:
        raise WrongRevision(
            f"The catalog {where} has no tables yet, the code needs revision {needed}. Run: make migrate."
        )
    if found in {script.revision for script in scripts.walk_revisions()}:
        raise WrongRevision(f"The catalog {where} is at revision {found}, the code needs {needed}. Run: make migrate.")
    raise WrongRevision(
        f"The catalog {where} is at revision {found}, which this code does not know; it needs {needed}. "
        "A newer Featurescope made it: update the code."
    )


def database_revision(engine: Engine) -> str | None:
    """The revision written in the database; None where it has never been migrated."""
    with make_session(engine) as session:
        return MigrationContext.configure(session.connection()).get_current_revision()


def migrate(engine: Engine) -> None:
    """Brings the database to the revision that the code needs: all of the way, or not at all.

    Several processes may call it at once; they wait for each other. Raises WrongRevision where the database is
    newer than the code.
    """
    found = database_revision(engine)
    config = _config()
    scripts = ScriptDirectory.from_config(config)
    if found == scripts.get_current_head():
        return
    if found not in {None, *(script.revision for script in scripts.walk_revisions())}:
        check_revision(engine)
    with make_session(engine, write=True) as session, session.begin():
        config.attributes["connection"] = session.connection()
        command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
