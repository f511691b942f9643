"""From what a person types, or a plan says, to a source of documents."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from worker.corpus import python_stdlib
from worker.corpus.directory import Directory, file_source
from worker.corpus.document import Document
from worker.corpus.errors import SourceError
from worker.corpus.huggingface import HuggingFaceDataset
from worker.corpus.joined import KIND as JOINED
from worker.corpus.joined import Joined, Part
from worker.corpus.jsonl import JsonLines
from worker.corpus.parquet import Parquet
from worker.corpus.source import CorpusSource, Tally
from worker.corpus.text_files import TextFile

STDLIB = "python-stdlib"
_EXAMPLES = (
    "'python-stdlib', 'notes.txt', 'docs?glob=**/*.md', 'chats.jsonl?field=messages', 'hf:name?split=train&field=text'"
)


@dataclass(frozen=True, slots=True)
class PythonStdlib:
    """The standard library of the running interpreter."""

    version: str = ".".join(map(str, sys.version_info[:3]))

    @property
    def description(self) -> Mapping[str, Any]:
        return {"kind": STDLIB, "version": self.version}

    def documents(self, tally: Tally | None = None) -> Iterator[Document]:
        """Raises SourceError where the interpreter has no sources, or is another than the one described."""
        running = PythonStdlib().version
        if self.version != running:
            raise SourceError(
                f"This corpus is the library of Python {self.version} and this is Python {running}. "
                f"Use {STDLIB!r} for this one's."
            )
        try:
            yield from python_stdlib.documents()
        except FileNotFoundError as error:
            raise SourceError(str(error)) from error


_KINDS: Mapping[str, Callable[..., CorpusSource]] = {
    STDLIB: PythonStdlib,
    "text": TextFile,
    "directory": Directory,
    "jsonl": JsonLines,
    "parquet": Parquet,
    "hf": HuggingFaceDataset,
}


def parse_source(spec: str | Path | Mapping[str, Any]) -> CorpusSource:
    """The source that a spec names. Reads nothing yet, but looks whether a path is a file or a directory.

    spec: 'python-stdlib'; 'KIND:PLACE' with kind text, directory, jsonl, parquet or hf; or a path, whose kind is
    seen from what is there. Options follow a question mark: glob, field, separator, split, config, revision.
    A mapping is what `description` gives: 'kind' and the rest by name.
    Raises SourceError for anything else.
    """
    if isinstance(spec, Mapping):
        return _joined(spec) if spec.get("kind") == JOINED else _made(dict(spec))
    place, _, query = str(spec).partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=False))
    if place == STDLIB:
        return _made({"kind": STDLIB, **options})
    kind, colon, rest = place.partition(":")
    if colon and kind in _KINDS:
        return _made({"kind": kind, "name" if kind == "hf" else "path": rest, **options})
    return _made({**_seen_at(Path(place).expanduser()), **options})


def _joined(spec: Mapping[str, Any]) -> Joined:
    return Joined(tuple(Part(parse_source(part["source"]), part["until"], part["name"]) for part in spec["parts"]))


def _seen_at(path: Path) -> dict[str, Any]:
    if path.is_dir():
        return {"kind": "directory", "path": str(path)}
    if not path.exists():
        raise SourceError(f"There is no file or directory {str(path)!r}. A corpus is named like {_EXAMPLES}.")
    return dict(file_source(path).description)


def _made(fields: dict[str, Any]) -> CorpusSource:
    kind = fields.pop("kind", None)
    if kind not in _KINDS:
        raise SourceError(f"There is no kind of corpus {kind!r}; there are {', '.join(_KINDS)}. Examples: {_EXAMPLES}.")
    maker = _KINDS[kind]
    known = maker.__dataclass_fields__
    if unknown := sorted(set(fields) - set(known)):
        raise SourceError(f"A corpus of kind {kind!r} has no option {unknown[0]!r}; it has {', '.join(known)}.")
    needed = "name" if kind == "hf" else "path"
    if needed in known and not fields.get(needed):
        raise SourceError(f"A corpus of kind {kind!r} needs a {needed}. Examples: {_EXAMPLES}.")
    if "path" in fields:
        fields["path"] = Path(fields["path"]).expanduser()
    return maker(**fields)
