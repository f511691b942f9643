"""Is it well, and how is it doing: for load balancers and Prometheus."""

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app.dependencies import SiteOf
from catalog.errors import CatalogError
from catalog.revision import check_revision

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
def health(site: SiteOf) -> PlainTextResponse:
    """200 when the catalog answers and fits the code, else 503 with the reason."""
    try:
        check_revision(site.engine)
    except CatalogError as error:
        return PlainTextResponse(f"{error}\n", status_code=503)
    return PlainTextResponse("ok\n")


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Requests and their durations, jobs and workers."""
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)
