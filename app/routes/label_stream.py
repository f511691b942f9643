"""What others do to the labels of a feature, as server-sent events."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from app.dependencies import Site, SiteOf
from app.label_stream.stream import LabelStream, Onlooker
from app.people.rules import Viewer
from catalog.engine import session_scope
from catalog.label_channel import FeaturePlace, SomebodyLooks, send

router = APIRouter(include_in_schema=False)
Number = Annotated[int, Query(ge=0, le=2**31 - 1)]


@router.get("/d/{dictionary}/{index}/labels/events")
async def stream_labels(
    dictionary: str,
    index: int,
    *,
    site: SiteOf,
    me: Viewer,
    after: Number = 0,
    last_event_id: Annotated[str, Header()] = "",
) -> StreamingResponse:
    """Events `labels` and `presence`. after: the newest change on the page; what a browser saw last comes before it."""
    place = await run_in_threadpool(_place, site, dictionary, index)
    seen = int(last_event_id) if last_event_id.isascii() and last_event_id.isdecimal() else after
    onlooker = Onlooker(
        name=me.name,
        place=place,
        seen=seen,
        newest=partial(_newest, site, dictionary, index),
        announce=partial(_announce, site),
    )
    return LabelStream(site.notifier, onlooker)


def _place(site: Site, dictionary: str, index: int) -> FeaturePlace:
    with site.library() as library:
        return FeaturePlace(library.dictionary_with(dictionary, index).hash, index)


def _newest(site: Site, dictionary: str, index: int) -> int:
    with site.library() as library:
        return library.reader.labels.last_change(dictionary, index)


def _announce(site: Site, message: SomebodyLooks) -> None:
    with session_scope(site.engine, write=True) as session:
        send(session, message)
