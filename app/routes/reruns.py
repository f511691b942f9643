"""Stored contexts run again by a worker: the page, and the same as JSON."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from app.dependencies import Site, SiteOf
from app.errors import live_problem
from app.live.asking import unless_gone
from app.live.failures import LiveFailure
from app.pages.feature import FeatureSource
from app.pages.rerun import question, rerun, rerun_page
from app.twins.rerun import rerun_json
from app.twins.shapes import ErrorAnswer, RerunAnswer
from catalog.live_answers import LiveAnswer

ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"model": ErrorAnswer} for code in (404, 409, 413, 422, 429, 502, 503, 504)
}
Harvest = Annotated[str | None, Query(description="id of a harvest; the newest complete one by default")]
pages = APIRouter(include_in_schema=False)
twins = APIRouter(prefix="/api/v1", tags=["live"], responses=ERRORS)
router = APIRouter()


@pages.get("/d/{dictionary}/{index}/contexts/{context}/rerun")
async def show_rerun(
    dictionary: str, index: int, context: int, *, request: Request, site: SiteOf, harvest: Harvest = None
) -> Response:
    """A stored context beside what the worker makes of it now; where no worker answers, the stored one and why."""
    source = await run_in_threadpool(_source, site, (dictionary, index), harvest)
    paths = site.paths_to(dictionary, harvest)
    try:
        answer = await _answer(request, site, source, context)
    except LiveFailure as failure:
        page = await run_in_threadpool(rerun_page, source, context, None)
        problem = live_problem(failure)
        return site.page("rerun/show.html", status=problem.status, page=page, paths=paths, problem=problem)
    page = await run_in_threadpool(lambda: rerun_page(source, context, rerun(source, context, answer)))
    return site.page("rerun/show.html", page=page, paths=paths, problem=None)


@twins.get(
    "/dictionaries/{dictionary}/features/{index}/contexts/{context}/rerun",
    summary="One stored context, run again",
    responses={200: {"model": RerunAnswer}},
    response_model=None,
)
async def rerun_context(
    dictionary: str, index: int, context: int, *, request: Request, site: SiteOf, harvest: Harvest = None
) -> JSONResponse:
    """The stored activations of a context beside those of a worker now, token by token, and whether they agree."""
    source = await run_in_threadpool(_source, site, (dictionary, index), harvest)
    answer = await _answer(request, site, source, context)
    return JSONResponse(await run_in_threadpool(rerun_json, source, context, answer))


async def _answer(request: Request, site: Site, source: FeatureSource, context: int) -> LiveAnswer:
    asked = question(source, context)
    return await unless_gone(request, site.live.ask(asked, model=source.dictionary.model))


def _source(site: Site, place: tuple[str, int], harvest: str | None) -> FeatureSource:
    with site.library() as library:
        return library.feature(*place, harvest)


router.include_router(pages)
router.include_router(twins)
