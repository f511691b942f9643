"""Own text tried on one feature, and pinned to it as an example."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from app.dependencies import Site, SiteOf
from app.errors import Problem, live_problem
from app.forms import read_form
from app.live.asking import unless_gone
from app.live.failures import LiveFailure
from app.pages.feature import FeatureSource
from app.pages.trial import Mode, question, trial_page, trial_result
from app.people.rules import Labeller, Viewer
from catalog.engine import session_scope
from catalog.errors import BadRecord
from catalog.label_records import PersonRecord
from catalog.live_answers import LiveAnswer
from catalog.writer import CatalogWriter
from catalog.writer.accounts import Doer

router = APIRouter(include_in_schema=False)
Harvest = Annotated[str | None, Query()]


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried: a text on a feature, in one of its harvests. me: whoever asks."""

    site: Site
    me: PersonRecord
    place: tuple[str, int, str | None]
    text: str
    mode: Mode


@router.get("/d/{dictionary}/{index}/try")
async def show_trial(
    dictionary: str,
    index: int,
    *,
    request: Request,
    site: SiteOf,
    me: Viewer,
    text: str = "",
    mode: Mode = "cut",
    harvest: Harvest = None,
) -> Response:
    """The text of a permalink on the feature; the empty box without one."""
    return await _tried(request, Trial(site, me, (dictionary, index, harvest), text, mode))


@router.post("/d/{dictionary}/{index}/try")
async def try_text(
    dictionary: str, index: int, *, request: Request, site: SiteOf, me: Viewer, harvest: Harvest = None
) -> Response:
    """The text of the form on the feature."""
    text, mode = await _form(request, site)
    return await _tried(request, Trial(site, me, (dictionary, index, harvest), text, mode))


@router.post("/d/{dictionary}/{index}/examples")
async def pin_example(
    dictionary: str, index: int, *, request: Request, site: SiteOf, me: Labeller, harvest: Harvest = None
) -> Response:
    """Pin a text with what a worker makes of it now, and show the feature. Its own page where that fails."""
    text, mode = await _form(request, site)
    trial = Trial(site, me, (dictionary, index, harvest), text, mode)
    source = await run_in_threadpool(_source, trial)
    try:
        answer = await _answer(request, trial, source)
        await run_in_threadpool(_pin, trial, source, answer)
    except (LiveFailure, BadRecord) as error:
        return _page(trial, source, problem=_problem(error))
    return _back(site, trial.place)


@router.post("/d/{dictionary}/{index}/examples/{example}/remove")
def take_down(
    dictionary: str, index: int, example: int, *, site: SiteOf, me: Labeller, harvest: Harvest = None
) -> RedirectResponse:
    """Take an example down, whoever pinned it, and show the feature."""
    with site.library() as library:
        identity = library.dictionary(dictionary).hash
    with session_scope(site.engine, write=True) as session:
        writer = CatalogWriter(session)
        writer.remove_example(identity, index, example)
        writer.accounts(Doer(me.name)).note("example removed", f"{dictionary}/{index}")
    return _back(site, (dictionary, index, harvest))


def _back(site: Site, place: tuple[str, int, str | None]) -> RedirectResponse:
    slug, index, harvest = place
    return RedirectResponse(f"{site.paths_to(slug, harvest).feature(slug, index)}#examples", status_code=303)


async def _tried(request: Request, trial: Trial) -> Response:
    source = await run_in_threadpool(_source, trial)
    if not trial.text:
        return _page(trial, source)
    try:
        answer = await _answer(request, trial, source)
    except LiveFailure as failure:
        return _page(trial, source, problem=live_problem(failure))
    return await run_in_threadpool(_page, trial, source, answer=answer)


def _page(
    trial: Trial, source: FeatureSource, *, answer: LiveAnswer | None = None, problem: Problem | None = None
) -> Response:
    """The page with its text, whatever came of it."""
    slug, index, harvest = trial.place
    paths = trial.site.paths_to(slug, harvest)
    page = trial_page(
        source,
        text=trial.text,
        mode=trial.mode,
        may_pin=trial.me.may("labeller"),
        result=None if answer is None else trial_result(source, answer),
        permalink=paths.trial(slug, index, text=trial.text, mode=None if trial.mode == "cut" else trial.mode),
    )
    status = 200 if problem is None else problem.status
    return trial.site.page("trial/show.html", status=status, trial=page, paths=paths, problem=problem)


async def _answer(request: Request, trial: Trial, source: FeatureSource) -> LiveAnswer:
    work = trial.site.live.ask(question(source, trial.text, trial.mode), model=source.dictionary.model)
    return await unless_gone(request, work)


async def _form(request: Request, site: Site) -> tuple[str, Mode]:
    form = await read_form(request, limit=site.settings.live_body_bytes)
    # Browsers send every line break of a form as CR LF.
    text = form.get("text", "").replace("\r\n", "\n")
    return text, "whole" if form.get("mode") == "whole" else "cut"


def _pin(trial: Trial, source: FeatureSource, answer: LiveAnswer) -> None:
    (found,) = answer.results
    facts = {**answer.facts["dictionaries"][source.dictionary.hash], "harvest": source.harvest.id}
    with session_scope(trial.site.engine, write=True) as session:
        writer = CatalogWriter(session)
        writer.add_example(source.feature.index, found, text=trial.text, author=trial.me.name, facts=facts)


def _source(trial: Trial) -> FeatureSource:
    slug, index, harvest = trial.place
    with trial.site.library() as library:
        return library.feature(slug, index, harvest)


def _problem(error: LiveFailure | BadRecord) -> Problem:
    if isinstance(error, LiveFailure):
        return live_problem(error)
    return Problem(413, "too_large", "That cannot be pinned", str(error))
