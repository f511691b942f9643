"""JSON: features changed while a model writes or reads, and logits taken apart."""

from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from app.dependencies import Site, SiteOf
from app.live.asking import read_body, unless_gone
from app.live.attribution import attribution_of
from app.live.effects import effects_of
from app.live.request import read_json
from app.live.steer_bodies import AttributionBody, EffectsBody, SteerBody
from app.live.steering import Change, chosen_features
from app.live.writing import EventAnswer, ToWrite, to_write, told
from app.people.rules import VIEWERS
from app.twins.shapes import ErrorAnswer
from app.twins.steer import attribution_json, effects_json

ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"model": ErrorAnswer} for code in (400, 404, 409, 413, 422, 429, 502, 503, 504)
}
EXAMPLE = '{"text": "…", "edits": [{"dictionary": "…", "feature": 12, "mode": "add", "value": 1}]}'
router = APIRouter(prefix="/api/v1", tags=["live"], responses=ERRORS, dependencies=[VIEWERS])


def _body(kind: Any) -> dict[str, Any]:
    """The description of a body, which is read by hand so that its errors have our form."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": kind.model_json_schema()}}}}


@router.post(
    "/live/steer",
    summary="Text written with and without changed features",
    response_model=None,
    openapi_extra=_body(SteerBody),
    responses={200: {"content": {"text/event-stream": {}, "application/json": {}}}},
)
async def steer(request: Request, site: SiteOf) -> Response:
    """Server-sent events: `prompt`, `next` with the distributions after it, `token` for each step, `end`, or `error`.

    Each edit is x + (v - f) d at the dictionary's hook, on every token but the first and special ones. Both texts are
    written under one seed. Probabilities are natural logarithms, the model's own, before temperature and the rest.
    """
    body = read_json(SteerBody, await read_body(request, limit=site.settings.live_body_bytes), example=EXAMPLE)
    asked = await run_in_threadpool(_to_write, site, body)
    events = told(site.live, asked)
    if not body.stream:
        return JSONResponse(await unless_gone(request, _all_of(events)))
    try:
        first = await unless_gone(request, anext(events))
    except BaseException:
        await events.aclose()
        raise
    return EventAnswer(events, first=[first])


@router.post(
    "/live/effects",
    summary="What taking features away does to the tokens that follow",
    response_model=None,
    openapi_extra=_body(EffectsBody),
)
async def effects(request: Request, site: SiteOf) -> Response:
    """The log probability of the true next token, as it is and with each feature removed where it is on."""
    example = '{"text": "…", "dictionaries": ["…"]}'
    body = read_json(EffectsBody, await read_body(request, limit=site.settings.live_body_bytes), example=example)
    found = await unless_gone(request, effects_of(site.live, site.library, body))
    return JSONResponse(effects_json(found))


@router.post(
    "/live/attribution",
    summary="Which features pushed which next tokens",
    response_model=None,
    openapi_extra=_body(AttributionBody),
)
async def attribution(request: Request, site: SiteOf) -> Response:
    """Direct logit attribution: what each feature that is on, and what no feature explains, adds to the logits."""
    example = '{"text": "…", "dictionary": "…", "position": 3}'
    body = read_json(AttributionBody, await read_body(request, limit=site.settings.live_body_bytes), example=example)
    found = await unless_gone(request, attribution_of(site.live, site.library, body))
    return JSONResponse(attribution_json(found))


def _to_write(site: Site, body: SteerBody) -> ToWrite:
    with site.library() as library:
        chosen = chosen_features(library, [(edit.dictionary, edit.feature) for edit in body.edits])
        changes = [Change(each, edit.mode, edit.value) for each, edit in zip(chosen, body.edits, strict=True)]
        return to_write(library, changes, body.prompt(), body.sampling())


async def _all_of(events: Any) -> dict[str, Any]:
    """One object of all events."""
    whole: dict[str, Any] = {"tokens": []}
    async with aclosing(events):
        async for event in events:
            kind = event.pop("event")
            if kind == "token":
                whole["tokens"].append(event)
            else:
                whole[kind] = event
    return whole
