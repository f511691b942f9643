"""JSON: models and dictionaries, and the list of a dictionary's features."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from app.dependencies import LibraryOf
from app.list_query import ListQuery
from app.twins.records import dictionary_json, features_json, harvest_json, model_json
from app.twins.shapes import DictionariesAnswer, DictionaryShape, ErrorAnswer, FeaturesAnswer

ERRORS: dict[int | str, dict[str, Any]] = {code: {"model": ErrorAnswer} for code in (400, 404, 422)}
Harvest = Annotated[str | None, Query(description="id of a harvest; the newest complete one by default")]
router = APIRouter(prefix="/api/v1", tags=["dictionaries"], responses=ERRORS)


@router.get("/models", summary="Language models", response_model=None)
def list_models(library: LibraryOf) -> JSONResponse:
    """Every language model the catalog knows."""
    return JSONResponse({"models": [model_json(model) for model in library.models()]})


@router.get(
    "/dictionaries", summary="Dictionaries", responses={200: {"model": DictionariesAnswer}}, response_model=None
)
def list_dictionaries(library: LibraryOf) -> JSONResponse:
    """Every dictionary with its newest harvest."""
    return JSONResponse({"dictionaries": [dictionary_json(each) for each in library.dictionaries()]})


@router.get(
    "/dictionaries/{dictionary}",
    summary="One dictionary",
    responses={200: {"model": DictionaryShape}},
    response_model=None,
)
def show_dictionary(dictionary: str, library: LibraryOf, harvest: Harvest = None) -> JSONResponse:
    """A dictionary with what a harvest says of the whole of it."""
    record = library.dictionary(dictionary)
    if harvest is not None:
        record = replace(record, harvest=library.harvest(record, harvest))
    summary = None
    if record.harvest is not None:
        counted = library.reader.summary(record.harvest.id, dictionary)
        summary = counted and {
            "n_features": counted.n_features,
            "n_dead": counted.n_dead,
            "n_dense": counted.n_dense,
            "l0": counted.l0,
            "density_histogram": {"log10_edges": counted.density_edges, "counts": counted.density_counts},
        }
    return JSONResponse({**dictionary_json(record), "summary": summary})


@router.get("/dictionaries/{dictionary}/harvests", summary="Harvests of a dictionary", response_model=None)
def list_harvests(dictionary: str, library: LibraryOf) -> JSONResponse:
    """Every harvest of a dictionary, newest first, whatever its status; pass an id as `harvest` elsewhere."""
    record = library.dictionary(dictionary)
    harvests = [harvest_json(each) for each in library.harvests(dictionary)]
    return JSONResponse({"harvests": harvests, "shown": record.harvest and record.harvest.id})


@router.get(
    "/dictionaries/{dictionary}/features",
    summary="Features of a dictionary",
    responses={200: {"model": FeaturesAnswer}},
    response_model=None,
)
def list_features(dictionary: str, asked: ListQuery, library: LibraryOf) -> JSONResponse:
    """Features sorted and filtered, a page at a time; pass `next` as `after` to go on."""
    record = library.dictionary(dictionary)
    harvest = library.harvest(record, asked.harvest)
    found = library.features(record, replace(asked.feature_query(dictionary), harvest=harvest.id))
    return JSONResponse(features_json(found, library.vocabulary(record)))
