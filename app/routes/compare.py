"""Two features side by side."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from app.dependencies import LibraryOf, SiteOf
from app.pages.compare import ComparePage, relations
from app.pages.feature import feature_page
from catalog.errors import BadQuery

router = APIRouter(include_in_schema=False)


@router.get("/compare")
def show_comparison(site: SiteOf, library: LibraryOf, a: str = "", b: str = "") -> HTMLResponse:
    """The pages of two features next to each other; the form alone until both are named."""
    if not a or not b:
        return site.page("compare/show.html", page=ComparePage(a, b, (), ()))
    sources = tuple(library.feature(*parse_address(address)) for address in (a, b))
    pages = tuple(
        feature_page(source, contexts_path=site.paths.contexts(source.dictionary.slug, source.feature.index))
        for source in sources
    )
    return site.page("compare/show.html", page=ComparePage(a, b, pages, relations(*sources)))


def parse_address(address: str) -> tuple[str, int]:
    """Dictionary and index of 'dictionary/index'. Raises BadQuery showing what was typed."""
    dictionary, _, index = address.strip().strip("/").removeprefix("d/").rpartition("/")
    if not dictionary or not index.isdecimal():
        raise BadQuery(f"{address!r} names no feature; expected dictionary/number, such as tiny-mid/12.")
    return dictionary, int(index)
