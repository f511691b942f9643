"""Live text: the page on which people paste text and see what the features make of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from app.dependencies import Site, SiteOf
from app.library import Library
from app.live.asking import read_body, unless_gone
from app.live.failures import LiveFailure
from app.live.state import LiveState, query_of, read_state
from app.live.view import live_view
from app.pages.live import LiveForm, LivePage, carried_along, live_form, live_result, live_trouble
from app.people.rules import VIEWERS
from catalog.errors import BadQuery
from catalog.live_answers import LiveAnswer
from catalog.records import DictionaryRecord

MOST_FIELDS = 2_000
BASES = ("neurons", "pca", "random")
router = APIRouter(include_in_schema=False, dependencies=[VIEWERS])


@router.get("/live")
async def show_live(request: Request, site: SiteOf) -> Response:
    """The page of an address; one that says a thing twice, as buttons do, is sent on to the one that says it once."""
    items = request.query_params.multi_items()
    state = read_state(items)
    query = query_of(state)
    if state.items() != items and query is not None:
        return _sent_to(site, query)
    return await _shown(request, site, state)


@router.post("/live")
async def read_live(request: Request, site: SiteOf) -> Response:
    """The page of a form: by its address where the text is short enough for one."""
    body = await read_body(request, limit=site.settings.live_body_bytes)
    state = read_state(_fields(body))
    query = query_of(state)
    return await _shown(request, site, state) if query is None else _sent_to(site, query)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The form, and the dictionaries that are to read the text."""

    form: LiveForm
    dictionaries: Sequence[DictionaryRecord]


async def _shown(request: Request, site: Site, state: LiveState) -> Response:
    asked = await run_in_threadpool(_asked, site, state)
    if not asked.dictionaries:
        advice = "There is no dictionary yet that could read a text. Add one first: featurescope add-dictionary."
        return site.page("live/show.html", page=LivePage(asked.form, advice=advice))
    if not state.is_asked:
        return site.page("live/show.html", page=LivePage(asked.form, carried_along(state)))
    try:
        answer = await unless_gone(request, answer_to(site, state, asked.dictionaries))
    except LiveFailure as error:
        return _failed(site, asked, state, error)
    return await run_in_threadpool(_read, site, state, asked, answer)


async def answer_to(site: Site, state: LiveState, dictionaries: Sequence[DictionaryRecord]) -> LiveAnswer:
    """What the dictionaries make of the texts, as it was kept or as a worker computes it. Raises LiveFailure."""
    asked = {
        "texts": list(state.texts),
        "dictionaries": [dictionary.hash for dictionary in dictionaries],
        "mode": state.mode,
    }
    # A worker computes in the dtype of the newest harvest, so another harvest may have another answer.
    name = asked | {"harvests": [dictionary.harvest and dictionary.harvest.id for dictionary in dictionaries]}
    kept = site.answers.get(name)
    if kept is not None:
        return kept
    answer = await site.live.ask(asked, model=dictionaries[0].model)
    site.answers.keep(name, answer)
    return answer


def _asked(site: Site, state: LiveState) -> _Asked:
    with site.library() as library:
        known = library.dictionaries()
        chosen = _chosen(library, state, known)
        if not (state.dictionaries or state.models) and chosen:
            state = replace(state, dictionaries=(chosen[0].slug,))
        return _Asked(live_form(state, library.models(), known), chosen)


def _chosen(library: Library, state: LiveState, known: Sequence[DictionaryRecord]) -> Sequence[DictionaryRecord]:
    """Those named, and all of the models named; of nothing named the first that is likeliest meant."""
    named = [library.dictionary(slug) for slug in state.dictionaries]
    named += [each for each in known if each.model in state.models]
    if named:
        return tuple({each.hash: each for each in named}.values())
    return sorted(known, key=lambda each: (each.harvest is None, each.kind in BASES))[:1]


def _read(site: Site, state: LiveState, asked: _Asked, answer: LiveAnswer) -> Response:
    with site.library() as library:
        view = live_view(library, state, asked.dictionaries, answer)
        tokens = library.tokens(view.shown[0].dictionary)
    result = live_result(view, tokens, address=site.paths.live())
    return site.page("live/show.html", page=LivePage(asked.form, carried_along(state), result=result))


def _failed(site: Site, asked: _Asked, state: LiveState, error: LiveFailure) -> Response:
    page = LivePage(asked.form, carried_along(state), live_trouble(error, state))
    response = site.page("live/show.html", status=error.status, page=page)
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def _fields(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode("latin-1"), keep_blank_values=True, errors="replace", max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise BadQuery(f"The form has more than {MOST_FIELDS} fields: {error}.") from error


def _sent_to(site: Site, query: str) -> RedirectResponse:
    return RedirectResponse(f"{site.paths.live()}?{query}" if query else site.paths.live(), status_code=303)
