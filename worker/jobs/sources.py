"""Where the source of a model or a dictionary is: what is bundled is named so that it is found from any clone."""

from pathlib import Path

ASSETS = Path(__file__).resolve().parents[2] / "assets"
BUNDLED_PREFIX = "bundled:"


def locate(source: str) -> str:
    """The folder of something bundled; every other source as it is."""
    if source.startswith(BUNDLED_PREFIX):
        return str(ASSETS / source.removeprefix(BUNDLED_PREFIX))
    return source


def portable(source: str) -> str:
    """How a source is written down: what is bundled by its place in the project, other local paths from the root."""
    path = Path(source).expanduser()
    if not path.exists():
        return source
    path = path.absolute()
    return f"{BUNDLED_PREFIX}{path.relative_to(ASSETS).as_posix()}" if path.is_relative_to(ASSETS) else str(path)
