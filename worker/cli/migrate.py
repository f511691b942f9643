"""featurescope migrate: create the database, or bring it to the revision of this version."""

from collections.abc import Sequence

from catalog.engine import make_engine
from catalog.revision import database_revision, migrate
from worker.cli.options import verb_parser
from worker.cli.output import Output
from worker.jobs.durable import migrate_jobs_database
from worker.jobs.settings import WorkerSettings, worker_settings

SAYS = """Create the database, or bring an older one to this version. Harmless to repeat.

The catalog is SQLite under FEATURESCOPE_HOME (default ./featurescope-data), or Postgres where
FEATURESCOPE_DATABASE_URL names one. Make a copy of the database before you move to a new version."""


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    options = verb_parser("migrate", SAYS).parse_args(argv)
    output = Output(as_json=options.json)
    settings = worker_settings()
    before, after = migrate_all(settings)
    where = make_engine(settings.catalog.database_url).url.render_as_string()
    output.say(f"The catalog {where} is at revision {after}" + ("." if before == after else f", was {before}."))
    output.result({"database": where, "revision": after, "revision_before": before})
    return 0


def migrate_all(settings: WorkerSettings) -> tuple[str | None, str | None]:
    """The catalog's and the jobs' tables. Returns the catalog's revision before and after."""
    engine = make_engine(settings.catalog.database_url)
    before = database_revision(engine)
    migrate(engine)
    migrate_jobs_database(settings)
    after = database_revision(engine)
    engine.dispose()
    return before, after
