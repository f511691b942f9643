"""How people name a corpus, seen without loading anything that reads one."""

from pathlib import Path


def absolute_spec(spec: str) -> str:
    """The same source, named so that a worker that runs in another folder finds it."""
    place, mark, query = spec.partition("?")
    kind, colon, path = place.rpartition(":")
    if kind == "hf" or not Path(path).expanduser().exists():
        return spec
    return f"{kind}{colon}{Path(path).expanduser().absolute()}{mark}{query}"


def corpus_name(spec: str) -> str:
    """What people call it: the last part of its path, or the spec."""
    place = spec.partition("?")[0]
    path = Path(place.rpartition(":")[2])
    return path.name if path.exists() else place
