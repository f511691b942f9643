"""A dictionary as JSON lines: one feature a line, in the shape of the JSON twin."""

import json
from pathlib import Path

from app.export.source import ExportSource, Progress
from app.twins.feature import feature_json
from app.twins.records import provenance_json


def write_jsonl(source: ExportSource, folder: Path, on_progress: Progress) -> None:
    """`features.jsonl`, and `provenance.json` with what holds for all of them."""
    write_provenance(source, folder)
    with (folder / "features.jsonl").open("w", encoding="utf-8") as file:
        for feature in source.features(on_progress):
            values = feature_json(feature, source.vocabulary)
            del values["provenance"]
            file.write(json.dumps(values, ensure_ascii=False, separators=(",", ":")) + "\n")


def write_provenance(source: ExportSource, folder: Path) -> None:
    """Where the numbers come from."""
    text = json.dumps(provenance_json(source.dictionary, source.harvest), ensure_ascii=False, indent=2)
    (folder / "provenance.json").write_text(text + "\n", encoding="utf-8")
