"""JSON: one feature, one of its contexts, and two features compared."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from app.dependencies import LibraryOf
from app.pages.compare import figures
from app.people.rules import Viewer
from app.routes.compare import parse_address
from app.twins.feature import context_json, differences_json, feature_json
from app.twins.shapes import ContextShape, ErrorAnswer, FeatureAnswer

ERRORS: dict[int | str, dict[str, Any]] = {code: {"model": ErrorAnswer} for code in (400, 404, 422)}
router = APIRouter(prefix="/api/v1", tags=["features"], responses=ERRORS)
Harvest = Annotated[str | None, Query(description="id of a harvest; the newest complete one by default")]


@router.get(
    "/dictionaries/{dictionary}/features/{index}",
    summary="One feature",
    responses={200: {"model": FeatureAnswer}},
    response_model=None,
)
def show_feature(
    dictionary: str, index: int, *, library: LibraryOf, me: Viewer, harvest: Harvest = None
) -> JSONResponse:
    """Everything the page of one feature shows."""
    source = library.feature(dictionary, index, harvest)
    labels = library.reader.labels.of_feature(dictionary, index, me=me.name)
    return JSONResponse(feature_json(source, library.vocabulary(source.dictionary), labels))


@router.get(
    "/dictionaries/{dictionary}/features/{index}/contexts/{context}",
    summary="One context of a feature",
    responses={200: {"model": ContextShape}},
    response_model=None,
)
def show_context(
    dictionary: str, index: int, context: int, *, library: LibraryOf, harvest: Harvest = None
) -> JSONResponse:
    """A whole context that the page of the feature shows, with the feature's activations."""
    source = library.feature(dictionary, index, harvest)
    return JSONResponse(context_json(source, context, library.vocabulary(source.dictionary)))


@router.get("/compare", summary="Two features, or one in two harvests", response_model=None)
def compare(
    library: LibraryOf, a: str, b: str, *, harvest_a: Harvest = None, harvest_b: Harvest = None
) -> JSONResponse:
    """Two features, each named dictionary/number, and what can be set against each other of their figures."""
    asked = ((a, harvest_a), (b, harvest_b))
    sources = [library.feature(*parse_address(address), harvest) for address, harvest in asked]
    sides = {
        name: feature_json(source, library.vocabulary(source.dictionary))
        for name, source in zip(("a", "b"), sources, strict=True)
    }
    return JSONResponse({**sides, "differences": differences_json(figures(*sources))})
