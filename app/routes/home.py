"""The front page, and what programs can ask."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from app.dependencies import LibraryOf, SiteOf
from app.library import Library
from app.pages.guide import Guide, make_guide, read_guide
from app.pages.home import HomePage, model_cards
from app.pages.jobs import ACTIVE, job_view
from app.settings import AppSettings
from catalog.errors import NotFound

router = APIRouter(include_in_schema=False)


@router.get("/")
def show_home(site: SiteOf, library: LibraryOf) -> HTMLResponse:
    """Where to begin, what there is, how to add more."""
    running = tuple(job_view(job) for job in library.reader.jobs() if job.status in ACTIVE)
    page = HomePage(
        guide=_guide(site.settings, library),
        models=model_cards(library.models(), library.dictionaries()),
        running=running,
    )
    return site.page("home/index.html", page=page)


@router.get("/api")
def show_api(site: SiteOf) -> HTMLResponse:
    """The JSON twins, described for people."""
    return site.page("home/api.html")


def _guide(settings: AppSettings, library: Library) -> Guide | None:
    """The guided start where its file is there and the catalog holds every feature it names."""
    file = read_guide(settings.guide)
    if file is None:
        return None
    try:
        sources = [library.feature(choice.dictionary, choice.index) for choice in file.choices()]
    except NotFound:
        return None
    return make_guide(file, sources)
