"""One feature: its page, its embeddable form, and its contexts in whole."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from app.dependencies import LibraryOf, Site, SiteOf
from app.library import Library
from app.pages.charts import Scale
from app.pages.feature import MAIN_PARTS, SIDE_PARTS, FeatureSource, PageParts, feature_page
from app.pages.harvests import HarvestChoice, harvest_choices
from app.pages.labels import feature_labels
from app.pages.trial import trial_page
from app.pages.whole import ContextPage, context_page
from app.people.rules import Viewer

router = APIRouter(include_in_schema=False)
Harvest = Annotated[str | None, Query()]


@router.get("/d/{dictionary}/{index}")
def show_feature(
    dictionary: str,
    index: int,
    *,
    request: Request,
    site: SiteOf,
    me: Viewer,
    x: Scale = "linear",
    y: Scale = "log",
    harvest: Harvest = None,
    show: str = "",
) -> HTMLResponse:
    """Everything known of one feature; with `?embed`, only the parts named in `show`."""
    with site.library() as library:
        source = library.feature(dictionary, index, harvest)
        choices = _choices(site, library, source)
        labels = library.reader.labels.of_feature(dictionary, index, me=me.name, hidden=me.may("admin"))
    parts = _parts(show) if show else PageParts()
    paths = site.paths_to(dictionary, harvest)
    contexts_path = paths.contexts(dictionary, index)
    may_label = me.may("labeller")
    page = feature_page(
        source, x=x, y=y, parts=parts, contexts_path=contexts_path, choices=choices, may_label=may_label
    )
    is_embed = "embed" in request.query_params
    values = {
        "page": page,
        "part": feature_labels(labels, place=(dictionary, index), me=me, harvest=source.harvest.id),
        "paths": paths,
        "trial": trial_page(source, may_pin=may_label),
        "frame_address": _frame_address(request, paths.feature(dictionary, index)),
        "shown_parts": MAIN_PARTS + SIDE_PARTS,
    }
    return site.page("feature/embed.html" if is_embed else "feature/show.html", **values)


@router.get("/d/{dictionary}/{index}/contexts/{context}")
def show_context(
    dictionary: str, index: int, context: int, *, site: SiteOf, library: LibraryOf, harvest: Harvest = None
) -> HTMLResponse:
    """One context from its first token to its last."""
    page = _context(library, (dictionary, index, context), harvest)
    return site.page("context/show.html", page=page, paths=site.paths_to(dictionary, harvest))


@router.get("/d/{dictionary}/{index}/contexts/{context}/text")
def show_context_part(
    dictionary: str, index: int, context: int, *, site: SiteOf, library: LibraryOf, harvest: Harvest = None
) -> HTMLResponse:
    """The text of one context alone."""
    page = _context(library, (dictionary, index, context), harvest)
    return site.page("context/_whole.html", page=page, paths=site.paths_to(dictionary, harvest))


def _context(library: Library, place: tuple[str, int, int], harvest: str | None) -> ContextPage:
    dictionary, index, context = place
    return context_page(library.feature(dictionary, index, harvest), context)


def _parts(show: str) -> PageParts:
    """The parts named, in the order of the page; unknown names count for nothing."""
    named = {name.strip() for name in show.split(",")}
    return PageParts(
        tuple(part for part in MAIN_PARTS if part in named), tuple(part for part in SIDE_PARTS if part in named)
    )


def _choices(site: Site, library: Library, source: FeatureSource) -> tuple[HarvestChoice, ...]:
    """The same feature in the dictionary's other harvests, and beside itself in each."""
    slug, index, shown = source.dictionary.slug, source.feature.index, source.harvest
    address = f"{slug}/{index}"

    def versus(other: str) -> str:
        return site.paths.compare(a=address, b=address, harvest_a=shown.id, harvest_b=other)

    def href(other: str) -> str:
        return site.paths.feature(slug, index, harvest=other)

    return harvest_choices(library.harvests(slug), shown, href=href, versus=versus)


def _frame_address(request: Request, path: str) -> str:
    """The absolute address to put into another page's frame."""
    mark = "&" if "?" in path else "?"
    return f"{request.url.scheme}://{request.url.netloc}{path}{mark}embed&show=top,histogram"
