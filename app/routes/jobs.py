"""Jobs: the page, the part that asks for itself again while something is under way, and what is asked of a job."""

from typing import Literal

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse

from app.dependencies import LibraryOf, SiteOf
from app.job_acts import act_on
from app.pages.jobs import jobs_page
from app.people.rules import Admin

router = APIRouter(include_in_schema=False)


@router.get("/jobs")
def show_jobs(site: SiteOf, library: LibraryOf) -> HTMLResponse:
    """All jobs and workers."""
    return site.page("jobs/index.html", page=jobs_page(library.reader.jobs(), library.reader.workers()))


@router.get("/jobs/list")
def show_jobs_part(site: SiteOf, library: LibraryOf) -> HTMLResponse:
    """The list alone."""
    return site.page("jobs/_jobs.html", page=jobs_page(library.reader.jobs(), library.reader.workers()))


@router.get("/jobs/running")
def show_running_part(site: SiteOf, library: LibraryOf) -> HTMLResponse:
    """What is under way, as the front page shows it."""
    page = jobs_page(library.reader.jobs(), ())
    return site.page("home/_running.html", running=tuple(job for job in page.jobs if job.is_active))


@router.post("/jobs/{job_id}/{act}")
def act_on_job(
    site: SiteOf, job_id: str, act: Literal["cancel", "pause", "resume", "sooner", "later"], _by: Admin
) -> RedirectResponse:
    """Do it, and show the page again. That it comes from a page of ours is seen to before any route."""
    act_on(site.engine, job_id, act)
    return RedirectResponse(f"{site.paths.jobs()}#job-{job_id}", status_code=303)
