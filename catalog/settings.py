"""Where the catalog lives. The only file of this package that reads the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_HOME = "featurescope-data"
DATABASE_FILE = "catalog.sqlite"


@dataclass(frozen=True, slots=True)
class CatalogSettings:
    """Folder of all data, and the URL of the database: SQLite in that folder unless another is named.

    live_secret: what the app shows at the worker's live door; None where it lies in a file of the home.
    """

    home: Path
    database_url: str
    live_secret: str | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> "CatalogSettings":
        """From FEATURESCOPE_HOME, FEATURESCOPE_DATABASE_URL, FEATURESCOPE_LIVE_SECRET; an empty one counts as unset."""
        environ = os.environ if environ is None else environ
        home = Path(environ.get("FEATURESCOPE_HOME") or DEFAULT_HOME).expanduser().absolute()
        return cls(
            home,
            environ.get("FEATURESCOPE_DATABASE_URL") or f"sqlite:///{home / DATABASE_FILE}",
            environ.get("FEATURESCOPE_LIVE_SECRET") or None,
        )
