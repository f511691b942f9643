"""Writes labels into a file: JSON lines with their history, or tables for spreadsheets."""

import csv
import json
from collections.abc import Iterable
from typing import IO, Any, Literal, get_args

from app.label_files.cells import cell
from app.twins.labels import change_json, label_json
from catalog.label_records import LabelChangeRecord, LabelContent, LabelRecord, tags_text

Format = Literal["jsonl", "csv", "history-csv"]
FORMATS: tuple[Format, ...] = get_args(Format)
Labels = Iterable[tuple[LabelRecord, list[LabelChangeRecord]]]
LABEL_COLUMNS = (
    "key", "dictionary", "index", "text", "note", "tags", "confidence", "author", "author_kind", "for", "against",
    "accepted", "chosen", "hidden", "version", "created_at", "changed_at", "harvest", "dictionary_hash",
)  # fmt: skip
CHANGE_COLUMNS = (
    "key", "dictionary", "index", "number", "version", "act", "person", "person_kind", "at", "text", "note", "tags",
    "confidence", "reason", "vote",
)  # fmt: skip


def write_labels(labels: Labels, stream: IO[str], kind: Format) -> int:
    """Write them all; how many there were. csv: a row a label as it stands; history-csv: a row a change.

    stream: opened with newline="" where it is to be a table.
    """
    return {"jsonl": _write_jsonl, "csv": _write_csv, "history-csv": _write_history}[kind](labels, stream)


def _write_jsonl(labels: Labels, stream: IO[str]) -> int:
    n = 0
    for label, history in labels:
        n += 1
        line = {**label_json(label), "dictionary_hash": label.dictionary_hash}
        line["history"] = [change_json(change) for change in history]
        stream.write(json.dumps(line, ensure_ascii=False) + "\n")
    return n


def _write_csv(labels: Labels, stream: IO[str]) -> int:
    writer = _table(stream, LABEL_COLUMNS)
    n = 0
    for label, _ in labels:
        n += 1
        writer.writerow(_cells(_label_row(label)))
    return n


def _write_history(labels: Labels, stream: IO[str]) -> int:
    writer = _table(stream, CHANGE_COLUMNS)
    n = 0
    for label, history in labels:
        n += 1
        for change in history:
            writer.writerow(_cells(_change_row(label, change)))
    return n


def _table(stream: IO[str], columns: tuple[str, ...]) -> "csv.DictWriter[str]":
    writer = csv.DictWriter(stream, columns, restval="")
    writer.writeheader()
    return writer


def _label_row(label: LabelRecord) -> dict[str, Any]:
    return {
        "key": label.key,
        "dictionary": label.dictionary,
        "index": label.index,
        **_content_row(label.content),
        "author": label.author.name,
        "author_kind": label.author.kind,
        "for": label.ups,
        "against": label.downs,
        "accepted": int(label.is_accepted),
        "chosen": int(label.is_chosen),
        "hidden": int(label.is_hidden),
        "version": label.version,
        "created_at": label.created_at,
        "changed_at": label.changed_at,
        "harvest": label.harvest,
        "dictionary_hash": label.dictionary_hash,
    }


def _change_row(label: LabelRecord, change: LabelChangeRecord) -> dict[str, Any]:
    row = {"key": label.key, "dictionary": label.dictionary, "index": label.index, "number": change.number}
    if change.content is not None:
        row |= _content_row(change.content)
    return {
        **row,
        "version": change.version,
        "act": change.act,
        "person": change.person.name,
        "person_kind": change.person.kind,
        "at": change.at,
        "reason": change.reason,
        "vote": change.vote,
    }


def _content_row(content: LabelContent) -> dict[str, Any]:
    tags = tags_text(content.tags)
    return {"text": content.text, "note": content.note, "tags": tags, "confidence": content.confidence}


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    return {name: cell(value) if isinstance(value, str) else value for name, value in row.items()}
