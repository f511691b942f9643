"""Two features side by side, each in the harvest chosen for it."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from app.dependencies import LibraryOf, Site, SiteOf
from app.library import Library
from app.pages.compare import ComparePage, Side, column_names, differences, relations
from app.pages.feature import FeatureSource, feature_page
from app.pages.harvests import harvest_choices
from app.paths import PinnedPaths, SitePaths
from catalog.errors import BadQuery

router = APIRouter(include_in_schema=False)
Asked = Annotated[str, Query(max_length=400)]


@router.get("/compare")
def show_comparison(
    site: SiteOf, library: LibraryOf, a: Asked = "", b: Asked = "", *, harvest_a: Asked = "", harvest_b: Asked = ""
) -> HTMLResponse:
    """The pages of two features next to each other; the form alone until both are named."""
    asked = (Side(a, harvest_a), Side(b, harvest_b))
    if not a or not b:
        return site.page("compare/show.html", page=ComparePage(*asked), side_paths=())
    sources = [library.feature(*parse_address(side.address), side.harvest or None) for side in asked]
    paths = [_paths(site, side, source) for side, source in zip(asked, sources, strict=True)]
    pages = [
        feature_page(source, contexts_path=own.contexts(source.dictionary.slug, source.feature.index))
        for source, own in zip(sources, paths, strict=True)
    ]
    page = ComparePage(
        *(_with_choices(library, side, source) for side, source in zip(asked, sources, strict=True)),
        pages=tuple(pages),
        relations=relations(*sources),
        names=column_names(*sources),
        differences=differences(*sources),
    )
    return site.page("compare/show.html", page=page, side_paths=paths)


def parse_address(address: str) -> tuple[str, int]:
    """Dictionary and index of 'dictionary/index'. Raises BadQuery showing what was typed."""
    dictionary, _, index = address.strip().strip("/").removeprefix("d/").rpartition("/")
    if not dictionary or not index.isdecimal():
        raise BadQuery(f"{address!r} names no feature; expected dictionary/number, such as tiny-mid/12.")
    return dictionary, int(index)


def _paths(site: Site, side: Side, source: FeatureSource) -> SitePaths | PinnedPaths:
    """The addresses of one side, kept to its harvest where one was chosen."""
    return site.paths_to(source.dictionary.slug, side.harvest)


def _with_choices(library: Library, side: Side, source: FeatureSource) -> Side:
    harvests = library.harvests(source.dictionary.slug)
    return replace(side, choices=harvest_choices(harvests, source.harvest, href=lambda _: ""))
