"""The template environment: strict, escaping, compiled once."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.pages.charts import sparkline
from app.pages.marks import chip, facts, line, segments
from app.paths import Paths
from app.people.shown import shown

PROJECT = Path(__file__).resolve().parent.parent
TEMPLATES = PROJECT / "templates"
STATIC = PROJECT / "static"


def make_environment(paths: Paths, *, is_live: bool, version: str) -> Environment:
    """Build the environment all pages share.

    is_live: pages talk to a server; False for an exported folder, where what needs one is left out.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    environment.globals.update(
        paths=paths,
        is_live=is_live,
        version=version,
        shown=shown,
        sparkline=sparkline,
        segments=segments,
        line=line,
        chip=chip,
        facts=facts,
    )
    return environment
