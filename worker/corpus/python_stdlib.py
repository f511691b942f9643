"""The built-in corpus: the standard library of the Python that runs this.

Every machine that can run the project has it, so the demo needs no download.
"""

import hashlib
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from pydoc_data.topics import topics

from worker.corpus.document import Document
from worker.corpus.errors import SourceError
from worker.corpus.licence_header import without_licence_header
from worker.corpus.near_duplicates import SeenLines

_SKIPPED_FOLDERS = frozenset(
    {
        "__pycache__",
        "__phello__",
        "_bundled",
        "dist-packages",
        "encodings",
        "idle_test",
        "lib-dynload",
        "msilib",
        "pydoc_data",
        "site-packages",
        "test",
        "tests",
    }
)
_SKIPPED_NAMES = re.compile(r"_sysconfigdata.*|_?test_.*|sitecustomize\.py|__hello__\.py")
_TABLE_LINE = re.compile(r"""\s*(?:[\[\](){}'"\d,:.+-]|b'|b"|None|True|False|0x).*[,\])}:'"]\s*(?:#.*)?""")
_MAX_TABLE_SHARE = 0.5
_MIN_CHARACTERS = 200
_MAX_SHARED_LINES = 0.6
_MIN_SHARED_LINES = 5


def documents() -> Iterator[Document]:
    """The library's modules and the topics of its help, mixed by a hash of their names.

    So the first documents, however few are asked for, are a fair sample of all.

    Left out: tests, `encodings`, generated tables, files shorter than 200
    characters and files that mostly repeat an earlier one. Licence headers are
    folded. The help topics (`pydoc_data.topics`) are a document each, named
    'topics/NAME'. Raises SourceError where the library has no sources.
    """
    yield from sorted(_distinct_documents(), key=lambda document: hashlib.sha256(document.name.encode()).digest())


def _distinct_documents() -> Iterator[Document]:
    seen = SeenLines(max_share=_MAX_SHARED_LINES, min_lines=_MIN_SHARED_LINES)
    for document in _all_documents(_library_folder()):
        if len(document.text) < _MIN_CHARACTERS or seen.repeats(document.text):
            continue
        seen.add(document.text)
        yield document


def _library_folder() -> Path:
    folder = Path(sysconfig.get_path("stdlib"))
    if not (folder / "argparse.py").is_file():
        raise SourceError(
            f"The folder {str(folder)!r} holds no sources of the Python standard library. "
            "Install the full Python, or harvest another corpus."
        )
    return folder


def _all_documents(folder: Path) -> Iterator[Document]:
    paths = (path.relative_to(folder) for path in folder.rglob("*.py"))
    for path in sorted(paths, key=lambda path: path.as_posix()):
        if _is_skipped(path):
            continue
        text = (folder / path).read_text(encoding="utf-8", errors="replace")
        text = without_licence_header(text)
        if not is_table(text):
            yield Document(name=path.as_posix(), text=text)
    for name, text in sorted(topics.items()):
        yield Document(name=f"topics/{name}", text=text.strip() + "\n")


def _is_skipped(path: Path) -> bool:
    folders = path.parts[:-1]
    if any(part in _SKIPPED_FOLDERS or part.startswith("config-") for part in folders):
        return True
    return _SKIPPED_NAMES.fullmatch(path.name) is not None


def is_table(text: str) -> bool:
    """Whether most of the text is rows of literals, as a generator writes them."""
    in_rows = sum(len(line) for line in text.split("\n") if _TABLE_LINE.fullmatch(line))
    return in_rows > _MAX_TABLE_SHARE * len(text)
