"""JSON: labels, read and written."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse

from app.dependencies import LibraryOf, Site, SiteOf
from app.label_acts import change, propose
from app.label_query import AskedLabels, LabelQuery
from app.library import Library
from app.people.rules import Admin, Labeller, Viewer
from app.twins.label_shapes import EditBody, HideBody, LabelAnswer, LabelBody, LabelsAnswer, RevertBody, VoteBody
from app.twins.labels import activity_json, change_json, coverage_json, label_json, labelling_json
from app.twins.records import features_json
from app.twins.shapes import ErrorAnswer
from catalog.errors import LabelChanged, NotFound
from catalog.label_records import LabelRecord, PersonRecord
from catalog.label_text import label_content
from catalog.queries import FeatureQuery

ERRORS: dict[int | str, dict[str, Any]] = {code: {"model": ErrorAnswer} for code in (400, 403, 404, 409, 422)}
ONE: dict[int | str, dict[str, Any]] = {200: {"model": LabelAnswer}}
router = APIRouter(prefix="/api/v1", tags=["labels"], responses=ERRORS)
Key = Annotated[str, Path(description="key of a label")]


@router.get("/labels", summary="Lists of labels", response_model=None)
def list_labels(asked: LabelQuery, library: LibraryOf, me: Viewer) -> JSONResponse:
    """Activity (recent), one's own labels (mine), features disputed or unlabelled; pass `next` as `after` to go on."""
    if asked.dictionary:
        library.dictionary(asked.dictionary)
    if asked.view == "unlabelled":
        return JSONResponse(_unlabelled(asked, library))
    lists, page = library.reader.labels.lists, asked.list_page(hidden=me.may("admin"))
    if asked.view == "disputed":
        found = lists.disputed(page)
        return JSONResponse({"features": [labelling_json(each) for each in found.items], "next": found.next})
    if asked.view == "mine":
        mine = lists.by_author(page, me.name)
        return JSONResponse({"labels": [label_json(each) for each in mine.items], "next": mine.next})
    activity = lists.activity(page)
    return JSONResponse({"activity": [activity_json(each) for each in activity.items], "next": activity.next})


@router.get("/labels/coverage", summary="How far each dictionary is labelled", response_model=None)
def show_coverage(library: LibraryOf) -> JSONResponse:
    """Features, labelled ones, labels, disputed features and people, for every dictionary."""
    return JSONResponse({"dictionaries": [coverage_json(each) for each in library.reader.labels.coverage()]})


@router.get("/labels/{key}", summary="One label with its history", responses=ONE, response_model=None)
def show_label(key: Key, library: LibraryOf, me: Viewer) -> JSONResponse:
    """What it says, its votes, and everything that was done to it, oldest first. A hidden one is shown to admins."""
    labels = library.reader.labels
    label = labels.one(key, me=me.name)
    if label.is_hidden and not me.may("admin"):
        raise NotFound("label", key, hint="An admin has hidden it.")
    return JSONResponse({**label_json(label), "history": [change_json(each) for each in labels.history(key)]})


@router.get(
    "/dictionaries/{dictionary}/features/{index}/labels",
    summary="Labels of a feature",
    responses={200: {"model": LabelsAnswer}},
    response_model=None,
)
def list_feature_labels(dictionary: str, index: int, library: LibraryOf, me: Viewer) -> JSONResponse:
    """The accepted label first, then the others by net votes."""
    library.dictionary_with(dictionary, index)
    found = library.reader.labels.of_feature(dictionary, index, me=me.name, hidden=me.may("admin"))
    return JSONResponse({"labels": [label_json(label) for label in found]})


@router.post(
    "/dictionaries/{dictionary}/features/{index}/labels",
    summary="Propose a label",
    status_code=201,
    responses={201: {"model": LabelAnswer}},
    response_model=None,
)
def propose_label(dictionary: str, index: int, body: LabelBody, *, site: SiteOf, me: Labeller) -> JSONResponse:
    """The new label. Sending the very same once more gives the one that is there."""
    content = label_content(body.text, note=body.note, tags=body.tags, confidence=body.confidence)
    label = propose(site, (dictionary, index), content, by=me, harvest=body.harvest)
    return JSONResponse(label_json(label), status_code=201)


@router.patch("/labels/{key}", summary="Give a label another wording", responses=ONE, response_model=None)
def edit_label(key: Key, body: EditBody, site: SiteOf, me: Labeller) -> JSONResponse:
    """Made from `version`; 409 with the label as it is now (`current`) where somebody was faster."""
    content = label_content(body.text, note=body.note, tags=body.tags, confidence=body.confidence)
    try:
        label = change(site, key, lambda labels: labels.edit(key, content, version=body.version, by=me), by=me)
    except LabelChanged as error:
        return _conflict(site, error, me=me)
    return JSONResponse(label_json(label))


@router.post("/labels/{key}/revert", summary="Go back to an earlier wording", responses=ONE, response_model=None)
def revert_label(key: Key, body: RevertBody, site: SiteOf, me: Labeller) -> JSONResponse:
    """The wording it had at version `to`, made from `version`; 409 as above."""
    try:
        label = change(site, key, lambda labels: labels.revert(key, to=body.to, version=body.version, by=me), by=me)
    except LabelChanged as error:
        return _conflict(site, error, me=me)
    return JSONResponse(label_json(label))


@router.put("/labels/{key}/vote", summary="Vote on a label", responses=ONE, response_model=None)
def vote_on_label(key: Key, body: VoteBody, site: SiteOf, me: Labeller) -> JSONResponse:
    """One vote a person: 1 for it, -1 against it, 0 takes it back."""
    return _label(change(site, key, lambda labels: labels.vote(key, body.value, by=me), by=me))


@router.post("/labels/{key}/hide", summary="Hide a label", responses=ONE, response_model=None)
def hide_label(key: Key, site: SiteOf, me: Admin, body: HideBody | None = None) -> JSONResponse:
    """Out of sight; it stays in the history, with the reason."""
    reason = "" if body is None else body.reason
    return _label(change(site, key, lambda labels: labels.hide(key, by=me, reason=reason), by=me))


@router.post("/labels/{key}/{act}", summary="Show, choose or unchoose a label", responses=ONE, response_model=None)
def decide_on_label(key: Key, act: Literal["show", "choose", "unchoose"], site: SiteOf, me: Admin) -> JSONResponse:
    """Shown again; accepted whatever the votes say; left to the votes again."""
    return _label(change(site, key, lambda labels: getattr(labels, act)(key, by=me), by=me))


def _label(label: LabelRecord) -> JSONResponse:
    return JSONResponse(label_json(label))


def _conflict(site: Site, error: LabelChanged, *, me: PersonRecord) -> JSONResponse:
    with site.library() as library:
        current = library.reader.labels.one(error.key, me=me.name)
    hint = "Bring your wording and `current` together, and send it with the version of `current`."
    body = {"code": "label_changed", "message": str(error), "hint": hint}
    return JSONResponse({"error": body, "current": label_json(current)}, status_code=409)


def _unlabelled(asked: AskedLabels, library: Library) -> dict[str, Any]:
    slug = asked.dictionary or next((each.slug for each in library.dictionaries() if each.harvest is not None), None)
    if slug is None:
        return {"dictionary": None, "features": [], "next": None}
    record = library.dictionary(slug)
    harvest = library.harvest(record, None)
    query = FeatureQuery(slug, harvest=harvest.id, live=True, labelled=False, limit=asked.limit, after=asked.after)
    return {"dictionary": slug, **features_json(library.reader.features(query), library.vocabulary(record))}
