"""Labels: the page of all, the page of one with its history, its form, and the part on a feature's page."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from app.dependencies import LibraryOf, Site, SiteOf
from app.label_query import AskedLabels, LabelQuery
from app.library import Library
from app.pages.dictionary import feature_row
from app.pages.label_form import edit_form
from app.pages.label_history import label_page
from app.pages.label_lists import (
    TITLES,
    VIEWS,
    LabelsPage,
    Tab,
    activity_views,
    coverage_views,
    disputes,
    own_labels,
)
from app.pages.labels import feature_labels
from app.people.rules import Labeller, Viewer
from catalog.label_records import PersonRecord
from catalog.queries import FeatureQuery

router = APIRouter(include_in_schema=False)


@router.get("/labels")
def show_labels(asked: LabelQuery, site: SiteOf, library: LibraryOf, me: Viewer) -> HTMLResponse:
    """One of the lists, and how far each dictionary is labelled."""
    return site.page("labels/index.html", page=_page(asked, site, library, me=me))


@router.get("/labels/{key}")
def show_label(key: str, site: SiteOf, library: LibraryOf, me: Viewer) -> HTMLResponse:
    """One label: what it says and what was done to it."""
    labels = library.reader.labels
    label = labels.one(key, me=me.name)
    name = library.dictionary(label.dictionary).name
    return site.page("labels/show.html", page=label_page(label, labels.history(key), dictionary_name=name, me=me))


@router.get("/labels/{key}/edit")
def show_form(key: str, site: SiteOf, library: LibraryOf, me: Labeller) -> HTMLResponse:
    """The form for another wording."""
    return site.page("labels/form.html", form=edit_form(library.reader.labels.one(key, me=me.name)))


@router.get("/d/{dictionary}/{index}/labels")
def show_labels_part(
    dictionary: str, index: int, *, site: SiteOf, library: LibraryOf, me: Viewer, harvest: str = ""
) -> HTMLResponse:
    """The labels of one feature alone."""
    library.dictionary_with(dictionary, index)
    found = library.reader.labels.of_feature(dictionary, index, me=me.name, hidden=me.may("admin"))
    part = feature_labels(found, place=(dictionary, index), me=me, harvest=harvest)
    return site.page("feature/_labels.html", part=part)


def _page(asked: AskedLabels, site: Site, library: Library, *, me: PersonRecord) -> LabelsPage:
    dictionaries = library.dictionaries()
    harvested = next((each.slug for each in dictionaries if each.harvest is not None), "")
    chosen = asked.dictionary or (harvested if asked.view == "unlabelled" else "")
    if chosen:
        library.dictionary(chosen)
    lists, following = _lists(asked, library, dictionary=chosen, me=me)
    kept = {"view": asked.view, "dictionary": asked.dictionary, "limit": None if asked.limit == 50 else asked.limit}
    return LabelsPage(
        view=asked.view,
        tabs=tuple(
            Tab(TITLES[view], site.paths.labels(view=view, dictionary=asked.dictionary), view == asked.view)
            for view in VIEWS
        ),
        dictionaries=tuple((each.slug, each.name) for each in dictionaries),
        dictionary=chosen,
        coverage=coverage_views(library.reader.labels.coverage()),
        next_href=None if following is None else site.paths.labels(**kept, after=following),
        first_href=site.paths.labels(**kept) if asked.after else None,
        may_export=me.may("admin"),
        **lists,
    )


def _lists(
    asked: AskedLabels, library: Library, *, dictionary: str, me: PersonRecord
) -> tuple[dict[str, tuple], int | str | None]:
    """The list of the view, under the name of its field, and where the next page of it goes on."""
    lists = library.reader.labels.lists
    if asked.view == "unlabelled":
        return _unlabelled(asked, library, dictionary)
    page = asked.list_page(hidden=me.may("admin"))
    if asked.view == "disputed":
        found = lists.disputed(page)
        return {"disputes": disputes(found.items)}, found.next
    if asked.view == "mine":
        mine = lists.by_author(page, me.name)
        return {"labels": own_labels(mine.items)}, mine.next
    activity = lists.activity(page)
    return {"activity": activity_views(activity.items)}, activity.next


def _unlabelled(asked: AskedLabels, library: Library, slug: str) -> tuple[dict[str, tuple], str | None]:
    record = library.dictionary(slug) if slug else None
    if record is None or record.harvest is None:
        return {}, None
    query = FeatureQuery(
        slug, harvest=record.harvest.id, live=True, labelled=False, limit=asked.limit, after=asked.after
    )
    found = library.reader.features(query)
    tokens = library.tokens(record)
    return {"features": tuple(feature_row(feature, tokens) for feature in found.features)}, found.next
