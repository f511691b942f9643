"""Reads labels from a file, whichever of the known kinds it is. What cannot be read is told, line by line."""

import csv
import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from pydantic import ValidationError

from app.failures import AppError
from app.label_files.cells import text_of_cell
from app.label_files.records import label_from_export, label_from_neuronpedia, label_from_row
from catalog.errors import BadLabel
from catalog.label_records import LabelImport

KINDS = "our own JSON lines or CSV, a table with the columns dictionary, index and text, or Neuronpedia's explanations"
csv.field_size_limit(1_000_000)


class UnknownFile(AppError):
    """A file that holds no labels in any way that we know."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A line, or an entry of a list, that is no label. place: its number, from 1."""

    place: int
    reason: str


def read_labels(path: Path, *, same_people: bool = False) -> Iterator[LabelImport | Unread]:
    """Every label of the file, in its order. same_people: the names in it are people of this catalog.

    Raises UnknownFile where the file is of no known kind, OSError where it cannot be opened.
    """
    names = path.suffixes
    is_table = ".csv" in names[-2:]
    with _opened(path) as stream:
        try:
            entries = _rows(stream) if is_table else _values(stream, path)
            make = label_from_row if is_table else _of_json
            for place, entry in enumerate(entries, start=1):
                yield from _read(entry, place, lambda value, make=make: make(value, same_people=same_people))
        except (UnicodeDecodeError, gzip.BadGzipFile, csv.Error) as error:
            raise UnknownFile(f"{str(path)!r} cannot be read as text: {error}. Expected {KINDS}.") from error


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _read(entry: Any, place: int, make: Callable[[Any], LabelImport]) -> Iterator[LabelImport | Unread]:
    for value in _explanations(entry):
        try:
            yield make(value)
        except ValidationError as error:
            first = error.errors()[0]
            yield Unread(place, f"{'.'.join(str(part) for part in first['loc']) or 'it'}: {first['msg']}")
        except (BadLabel, ValueError) as error:
            yield Unread(place, str(error))


def _rows(stream: TextIO) -> Iterator[dict[str, str]]:
    for row in csv.DictReader(stream):
        yield {
            name.strip().lower(): text_of_cell(text)
            for name, text in row.items()
            if isinstance(name, str) and isinstance(text, str)
        }


def _values(stream: TextIO, path: Path) -> Iterator[Any]:
    """JSON lines, or one JSON value; the entries of a list one by one."""
    first = stream.readline()
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        yield from _whole(first + stream.read(), path)
        return
    yield from value if isinstance(value, list) else [value]
    for line in stream:
        if line.strip():
            yield _line(line)


def _whole(text: str, path: Path) -> Iterator[Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnknownFile(f"{str(path)!r} is neither JSON nor JSON lines: {error}. Expected {KINDS}.") from error
    yield from value if isinstance(value, list) else [value]


def _line(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"no JSON: {error}"


def _of_json(value: Any, *, same_people: bool) -> LabelImport:
    if not isinstance(value, dict):
        raise BadLabel(value[:200] if isinstance(value, str) else f"It is no label but {str(value)[:60]!r}.")
    if "description" in value:
        return label_from_neuronpedia(value)
    if "author" in value and "key" in value:
        return label_from_export(value, same_people=same_people)
    raise BadLabel(f"It is none of these: {KINDS}. It has {', '.join(sorted(value)[:8]) or 'nothing'}.")


def _explanations(entry: Any) -> Iterator[Any]:
    """The explanations inside of a feature or of a batch of dashboards, and any other entry as it is."""
    if not isinstance(entry, dict) or "description" in entry:
        yield entry
    elif isinstance(entry.get("features"), list):
        layer = f"{entry.get('layer')}-{entry.get('sae_set')}"
        for feature in entry["features"]:
            known = {"modelId": entry.get("model_id"), "layer": layer}
            if isinstance(feature, dict):
                yield from _of_feature({**known, "index": feature.get("feature_index"), **feature})
    elif "explanations" in entry:
        yield from _of_feature(entry)
    else:
        yield entry


def _of_feature(feature: dict[str, Any]) -> Iterator[Any]:
    known = {name: feature.get(name) for name in ("modelId", "layer", "index")}
    for each in feature.get("explanations") or []:
        if isinstance(each, dict):
            yield {**known, **each}
