"""Which revision the database is at, which one the code needs, and the way from one to the other."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from catalog.engine import make_session
from catalog.errors import WrongRevision

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"


def check_revision(engine: Engine) -> None:
    """Returns where the database fits the code; else raises WrongRevision naming both revisions and the way out."""
    found, needed = database_revision(engine), needed_revision()
    where = engine.url.render_as_string()
    if found == needed:
        return
    if found is None:
        raise WrongRevision(
            f"The catalog {where} has no tables yet, the code needs revision {needed}. Run: make migrate."
        )
    if found in known_revisions():
        raise WrongRevision(f"The catalog {where} is at revision {found}, the code needs {needed}. Run: make migrate.")
    raise WrongRevision(
        f"The catalog {where} is at revision {found}, which this code does not know; it needs {needed}. "
        "A newer Featurescope made it: update the code."
    )


def needed_revision() -> str:
    """The revision that the code needs."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def known_revisions() -> frozenset[str]:
    """Every revision that the code knows, old ones included."""
    return frozenset(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the database of an open transaction to a revision; the caller commits."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


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
    if found == needed_revision():
        return
    if found not in {None, *known_revisions()}:
        check_revision(engine)
    with make_session(engine, write=True) as session, session.begin():
        upgrade(session.connection())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
