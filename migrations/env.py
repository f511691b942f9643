"""How Alembic runs our migrations: in one transaction, on the connection it is handed or on the settings' database."""

from alembic import context
from sqlalchemy import Connection, text

from catalog.engine import make_engine, make_session
from catalog.schema import Base
from catalog.settings import CatalogSettings

MIGRATION_LOCK = 6_072_026
"""Number of the PostgreSQL advisory lock that makes two migrations wait for each other."""


def run(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
    context.configure(connection=connection, target_metadata=Base.metadata, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


def run_on_settings() -> None:
    with make_session(make_engine(CatalogSettings.from_environment().database_url), write=True) as session:
        with session.begin():
            run(session.connection())


handed_over = context.config.attributes.get("connection")
if handed_over is None:
    run_on_settings()
else:
    run(handed_over)
