"""Labels as a file to download."""

import tempfile
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from app.dependencies import SiteOf
from app.label_files.writing import Format, write_labels
from app.people.rules import Admin
from app.sending import IN_MEMORY, portions

TYPES: dict[Format, str] = {"jsonl": "application/x-ndjson", "csv": "text/csv", "history-csv": "text/csv"}
router = APIRouter(prefix="/api/v1", tags=["labels"])


@router.get("/labels/export", summary="All labels as a file", response_class=StreamingResponse)
def export_labels(
    site: SiteOf,
    _by: Admin,
    kind: Annotated[Format, Query(alias="format", description="what to write")] = "jsonl",
    dictionary: Annotated[str | None, Query(max_length=400, description="slug; all by default")] = None,
) -> StreamingResponse:
    """Every label, hidden ones too, with its history. It is written before it is sent, so that no session waits."""
    file = tempfile.SpooledTemporaryFile(IN_MEMORY, mode="w+", encoding="utf-8", newline="")  # noqa: SIM115 (sent below)
    with site.library() as library:
        if dictionary is not None:
            library.dictionary(dictionary)
        write_labels(library.reader.labels.with_history(dictionary), file, kind)
    file.seek(0)
    name = f"labels.{kind.removeprefix('history-')}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(portions(file), media_type=f"{TYPES[kind]}; charset=utf-8", headers=headers)
