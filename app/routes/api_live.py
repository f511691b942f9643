"""JSON: text in, activations out."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from app.dependencies import Site, SiteOf
from app.live.asking import read_body, unless_gone
from app.live.request import LiveBody, read_json
from app.people.rules import VIEWERS
from app.twins.live import LiveDetail, live_json
from app.twins.shapes import ErrorAnswer, LiveAnswerShape
from catalog.live_answers import LiveAnswer
from catalog.records import DictionaryRecord

ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"model": ErrorAnswer} for code in (400, 404, 409, 413, 422, 429, 502, 503, 504)
}
BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": LiveBody.model_json_schema()}}}}
router = APIRouter(prefix="/api/v1", tags=["live"], responses=ERRORS, dependencies=[VIEWERS])


@router.post(
    "/live",
    summary="Activations of a text",
    responses={200: {"model": LiveAnswerShape}},
    response_model=None,
    openapi_extra=BODY,
)
async def live(request: Request, site: SiteOf) -> Response:
    """What dictionaries make of texts, as a harvest would have recorded it: a result for each text and dictionary.

    Needs a worker that is up. It is a coroutine, for a worker may take long and a waiting thread would be missed.
    """
    body = await read_body(request, limit=site.settings.live_body_bytes)
    asked = read_json(LiveBody, body, example='{"texts": [...], "dictionaries": [...]}')
    return Response(await unless_gone(request, _answer(site, asked)), media_type="application/json")


async def _answer(site: Site, asked: LiveBody) -> bytes:
    chosen = await run_in_threadpool(named_dictionaries, site, asked.dictionaries)
    values = asked.for_worker([each.hash for each in chosen])
    answer = await site.live.ask(values, model=chosen[0].model)
    return await run_in_threadpool(_written, site, asked, chosen, answer)


def named_dictionaries(site: Site, names: Sequence[str]) -> tuple[DictionaryRecord, ...]:
    """The dictionaries of those slugs or hashes, each once. Raises NotFound naming the nearest slugs."""
    with site.library() as library:
        found = [library.named(name) for name in names]
    return tuple({each.hash: each for each in found}.values())


def _written(site: Site, asked: LiveBody, chosen: Sequence[DictionaryRecord], answer: LiveAnswer) -> bytes:
    by_hash = {each.hash: each for each in chosen}
    with site.library() as library:
        pieces = live_json(answer, by_hash, library, LiveDetail(asked.limit, asked.details))
        return b"".join(piece.encode() for piece in pieces)
