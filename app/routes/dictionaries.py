"""A dictionary: the sortable list of its features."""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse

from app.dependencies import LibraryOf, Site, SiteOf
from app.library import Library
from app.list_query import ListQuery
from app.pages.dictionary import COLUMNS, DictionaryPage, DictionarySource, ListLinks, dictionary_page
from app.pages.harvests import harvest_choices
from catalog.queries import FeatureListPage, FeatureQuery

router = APIRouter(include_in_schema=False)


@router.get("/d/{dictionary}")
def show_dictionary(dictionary: str, asked: ListQuery, site: SiteOf, library: LibraryOf) -> HTMLResponse:
    """Features of a dictionary, its quality and its provenance."""
    page = _page(dictionary, asked, site, library)
    return site.page("dictionary/show.html", page=page, paths=site.paths_to(dictionary, asked.harvest))


@router.get("/d/{dictionary}/random")
def go_to_random(dictionary: str, site: SiteOf, library: LibraryOf, harvest: str | None = None) -> RedirectResponse:
    """Off to a live feature drawn by chance."""
    index = library.random_feature(dictionary, secrets.randbits(32), harvest)
    headers = {"Cache-Control": "no-store"}
    return RedirectResponse(site.paths.feature(dictionary, index, harvest=harvest), status_code=303, headers=headers)


def _page(slug: str, asked: ListQuery, site: Site, library: Library) -> DictionaryPage:
    record = library.dictionary(slug)
    query = asked.feature_query(slug)
    harvest = library.harvest(record, asked.harvest) if asked.harvest or record.harvest else None
    if harvest is None:
        source = DictionarySource(record, None, None, None, None)
        return dictionary_page(source, query, links=_links(site, asked, query, None), filters=asked.filters())
    found = library.features(record, replace(query, harvest=harvest.id))
    summary = library.reader.summary(harvest.id, slug)
    source = DictionarySource(record, harvest, summary, found, library.tokens(record))
    choices = harvest_choices(library.harvests(slug), harvest, href=partial(_address, site, slug))
    links = _links(site, asked, query, found)
    return dictionary_page(source, query, links=links, filters=asked.filters(), choices=choices)


def _address(site: Site, slug: str, harvest: str) -> str:
    return site.paths.dictionary(slug, harvest=harvest)


def _links(site: Site, asked: ListQuery, query: FeatureQuery, found: FeatureListPage | None) -> ListLinks:
    kept: Mapping[str, object] = {**asked.filters(), "harvest": asked.harvest}
    columns = {}
    for key, _, first_order, _ in COLUMNS:
        turned = "asc" if query.order == "desc" else "desc"
        order = turned if query.sort == key else first_order
        columns[key] = site.paths.dictionary(query.dictionary, **kept, sort=key, order=order)

    def beyond(cursor: str | None) -> str | None:
        if cursor is None:
            return None
        return site.paths.dictionary(query.dictionary, **kept, sort=query.sort, order=query.order, after=cursor)

    return ListLinks(columns, beyond(found.next if found else None), beyond(found.previous if found else None))
