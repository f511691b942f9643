"""JSON: jobs and workers."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from app.dependencies import LibraryOf
from app.twins.records import jobs_json
from app.twins.shapes import JobsAnswer

router = APIRouter(prefix="/api/v1", tags=["jobs"])


@router.get("/jobs", summary="Jobs and workers", responses={200: {"model": JobsAnswer}}, response_model=None)
def list_jobs(library: LibraryOf) -> JSONResponse:
    """Jobs, newest first, with progress, rate and time left; workers and whether they are up."""
    return JSONResponse(jobs_json(list(library.reader.jobs()), list(library.reader.workers())))
