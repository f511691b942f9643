"""JSON: jobs and workers."""

from dataclasses import asdict
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from app.dependencies import LibraryOf, SiteOf
from app.job_acts import act_on
from app.people.rules import Admin
from app.twins.records import jobs_json
from app.twins.shapes import JobsAnswer

router = APIRouter(prefix="/api/v1", tags=["jobs"])


@router.get("/jobs", summary="Jobs and workers", responses={200: {"model": JobsAnswer}}, response_model=None)
def list_jobs(library: LibraryOf) -> JSONResponse:
    """Jobs, newest first, with progress, rate and time left; workers and whether they are up."""
    return JSONResponse(jobs_json(list(library.reader.jobs()), list(library.reader.workers())))


@router.post("/jobs/{job_id}/{act}", summary="Cancel, pause or resume a job, or let it go sooner or later")
def act_on_job(
    site: SiteOf, job_id: str, act: Literal["cancel", "pause", "resume", "sooner", "later"], _by: Admin
) -> JSONResponse:
    """The job as it is then. 409 where it is over already. Workers act on it within some seconds."""
    return JSONResponse(asdict(act_on(site.engine, job_id, act)))
