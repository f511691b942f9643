"""featurescope digest: one checksum over everything the catalog says."""

import sys
from collections.abc import Sequence
from dataclasses import asdict

from catalog.digest import catalog_digest
from catalog.engine import make_engine, session_scope
from catalog.revision import check_revision
from worker.cli.options import verb_parser
from worker.cli.output import Output, human
from worker.jobs.settings import worker_settings

SAYS = """Print one checksum (SHA-256) over everything the catalog says: models, dictionaries, labels, contexts, and all
features of finished harvests. Numbers of rows, times and the names of jobs are left out, so that two catalogs with the
same results have the same checksum: after a restore, after a move from SQLite to Postgres, or after a harvest that was
killed and went on. Each table's own checksum tells where two catalogs differ.

The catalog may be in use meanwhile: one unchanging state of it is read, a few hundred rows at a time."""


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    options = verb_parser("digest", SAYS, examples="featurescope digest\nfeaturescope digest --json").parse_args(argv)
    output = Output(as_json=options.json)
    engine = make_engine(worker_settings().catalog.database_url)
    check_revision(engine)
    with session_scope(engine) as session:
        digest = catalog_digest(session, on_progress=_tell if sys.stderr.isatty() else None)
    output.table(["table", "rows", "sha256"], [[table.table, table.rows, table.sha256] for table in digest.tables])
    output.say(f"catalog {digest.sha256}")
    output.result(asdict(digest))
    return 0


def _tell(table: str, rows: int) -> None:
    print(f"\r{table}: {human(rows)} rows\033[K", end="\r", file=sys.stderr, flush=True)
