"""Jobs: the page, and the part that asks for itself again while something is under way."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from app.dependencies import LibraryOf, SiteOf
from app.pages.jobs import jobs_page

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
