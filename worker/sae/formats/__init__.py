"""Reads dictionaries from the formats they are published in, and writes the SAELens layout.

A format is a line of the table: its name, how to know its folders, how to read one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from worker.sae.dictionary import Dictionary
from worker.sae.errors import DictionaryFileError
from worker.sae.formats import saelens
from worker.sae.formats.hub import locate

LISTED = 8


@dataclass(frozen=True, slots=True)
class Format:
    """A published layout: `detect` knows its folders without reading weights, `read` gives the canonical form."""

    name: str
    detect: Callable[[Path], bool]
    read: Callable[[Path], Dictionary]


FORMATS: tuple[Format, ...] = (Format("saelens", saelens.detect, saelens.read),)


def load(path_or_repo: str | Path, format: str = "auto") -> Dictionary:
    """The dictionary in a folder, or in `owner/name[@revision][/folder]` on the hub, in canonical form.

    format: "auto" looks at the folder; else a name of FORMATS.
    Raises DictionaryFileError or UnsupportedDictionaryError, which name the file, what is wrong and the way out.
    """
    readers = {known.name: known for known in FORMATS}
    if format != "auto" and format not in readers:
        raise DictionaryFileError(f"There is no format {format!r}; formats are auto, {', '.join(readers)}.")
    folder = locate(path_or_repo)
    chosen = _detected(folder) if format == "auto" else readers[format]
    return chosen.read(folder)


def save(dictionary: Dictionary, path: str | Path, *, dtype: torch.dtype = torch.float32) -> None:
    """Writes a folder in the SAELens layout. dtype: of the matrices, float32 or bfloat16."""
    saelens.write(dictionary, Path(path), dtype=dtype)


def _detected(folder: Path) -> Format:
    for known in FORMATS:
        if known.detect(folder):
            return known
    within = sorted(
        {inner.relative_to(folder).as_posix() for inner in _inner_folders(folder) for f in FORMATS if f.detect(inner)}
    )
    if within:
        more = f" and {len(within) - LISTED} more" if len(within) > LISTED else ""
        raise DictionaryFileError(
            f"{str(folder)!r} holds several dictionaries; name one of its folders: {', '.join(within[:LISTED])}{more}."
        )
    raise DictionaryFileError(
        f"{str(folder)!r} holds no dictionary of a known format ({', '.join(known.name for known in FORMATS)}); "
        f"a SAELens folder has {saelens.CONFIG_FILE} and {saelens.WEIGHTS_FILE}."
    )


def _inner_folders(folder: Path) -> list[Path]:
    return [path for path in folder.glob("**/") if path != folder]
