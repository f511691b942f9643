"""Pages on which features are changed, taken away, and told apart in the logits; they work without JavaScript."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from app.dependencies import Site, SiteOf
from app.live.asking import read_body, unless_gone
from app.live.attribution import attribution_of
from app.live.effects import effects_of
from app.live.failures import LiveFailure
from app.live.probe_state import ProbeState, attribution_body, effects_body, read_probe_state
from app.live.steer_state import SteerState, read_steer_state
from app.live.writing import EventAnswer, ToWrite, told, typed_to_write
from app.live.written import Event
from app.pages.live_problem import live_problem
from app.pages.probe import ProbePage, choices_of, effects_table, logits_table
from app.pages.steer import SteerPage, shown_text, steer_page, written_text
from app.people.rules import VIEWERS
from catalog.errors import BadQuery, CatalogError
from catalog.records import DictionaryRecord

router = APIRouter(include_in_schema=False, dependencies=[VIEWERS])
MOST_FIELDS = 1000
Fields = list[tuple[str, str]]


@router.get("/live/steer")
@router.post("/live/steer")
async def show_steering(request: Request, site: SiteOf) -> Response:
    """The form, and what came of it: the whole answer at once."""
    state = read_steer_state(await _fields(request, site))
    page = await unless_gone(request, _steered(site, state))
    return await run_in_threadpool(site.page, "steer/show.html", status=page.status, page=page)


@router.post("/live/steer/events")
async def stream_steering(request: Request, site: SiteOf) -> Response:
    """The same as events: prompt and tokens as they come, and at last, or instead, a piece of the page as `html`."""
    state = read_steer_state(await _fields(request, site))
    return EventAnswer(_page_events(site, state))


@router.get("/live/steer/effects")
@router.post("/live/steer/effects")
async def show_effects(request: Request, site: SiteOf) -> Response:
    """A text read with each of its strongest features taken away."""
    return await _probe(request, site, "effects")


@router.get("/live/steer/logits")
@router.post("/live/steer/logits")
async def show_logits(request: Request, site: SiteOf) -> Response:
    """The logits after one token, taken apart."""
    return await _probe(request, site, "logits")


async def _fields(request: Request, site: Site) -> Fields:
    """What a form or an address carries."""
    body = await read_body(request, limit=site.settings.live_body_bytes)
    try:
        typed = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise BadQuery(f"The form has more than {MOST_FIELDS} fields; name fewer features.") from error
    return [*request.query_params.multi_items(), *typed]


async def _steered(site: Site, state: SteerState) -> SteerPage:
    if not state.is_asked:
        return steer_page(state)
    try:
        asked = await run_in_threadpool(_typed, site, state)
        async with aclosing(told(site.live, asked)) as events:
            gathered = [event async for event in events]
    except (LiveFailure, CatalogError) as error:
        return steer_page(state, problem=live_problem(error))
    return await run_in_threadpool(_finished, state, asked, gathered)


def _finished(state: SteerState, asked: ToWrite, events: list[Event]) -> SteerPage:
    return steer_page(state, written=written_text(events, asked.changes, asked.tokens, state))


def _typed(site: Site, state: SteerState) -> ToWrite:
    with site.library() as library:
        return typed_to_write(library, state)


async def _page_events(site: Site, state: SteerState) -> AsyncGenerator[Event, None]:
    gathered: list[Event] = []
    try:
        asked = await run_in_threadpool(_typed, site, state)
        async with aclosing(told(site.live, asked)) as events:
            async for event in events:
                gathered.append(event)
                if event["event"] == "prompt":
                    yield {"event": "prompt", "text": state.text}
                elif event["event"] == "token":
                    yield shown_text(event)
        page = await run_in_threadpool(_finished, state, asked, gathered)
    except (LiveFailure, CatalogError) as error:
        page = steer_page(state, problem=live_problem(error))
    yield await run_in_threadpool(_piece, site, page)


def _piece(site: Site, page: SteerPage) -> Event:
    """The part of the page that holds the answer."""
    if page.problem is not None:
        html = site.part("steer/_problem.html", problem=page.problem, form="steer")
        return {"event": "html", "html": html, "permalink": None}
    html = site.part("steer/_written.html", written=page.written, permalink=page.permalink)
    permalink = page.permalink and f"{site.paths.live_probe('steer')}?{page.permalink}"
    return {"event": "html", "html": html, "permalink": permalink}


async def _probe(request: Request, site: Site, here: str) -> Response:
    state = read_probe_state(await _fields(request, site))
    dictionaries = await run_in_threadpool(_dictionaries, site)
    page = await unless_gone(request, _probed(site, state, here, dictionaries))
    return await run_in_threadpool(site.page, "steer/probe.html", status=page.status, page=page)


def _dictionaries(site: Site) -> list[DictionaryRecord]:
    with site.library() as library:
        return library.dictionaries()


async def _probed(site: Site, state: ProbeState, here: str, dictionaries: list[DictionaryRecord]) -> ProbePage:
    values = {"here": here, "state": state, "choices": choices_of(dictionaries, state), "many": here == "effects"}
    if not state.is_asked:
        return ProbePage(**values)
    try:
        if here == "effects":
            effects = await effects_of(site.live, site.library, effects_body(state))
            return ProbePage(**values, effects=await run_in_threadpool(effects_table, effects, state))
        attribution = await attribution_of(site.live, site.library, attribution_body(state))
        return ProbePage(**values, logits=await run_in_threadpool(logits_table, attribution, state))
    except (LiveFailure, CatalogError) as error:
        return ProbePage(**values, problem=live_problem(error))
