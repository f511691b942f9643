"""Builds the web application from its settings. Nothing happens on import."""

from fastapi import FastAPI
from sqlalchemy import Engine

from app.compression import RemoteGZip
from app.dependencies import Site
from app.errors import Unfailing, add_error_answers
from app.metrics import Metrics, Stopwatch
from app.paths import SitePaths, StaticFileHashes
from app.people.accounts import Accounts
from app.people.arrival import ARRIVED
from app.people.asking import Asking, OwnerAlone
from app.requests import RequestLog
from app.routes import (
    account,
    api_dictionaries,
    api_features,
    api_jobs,
    api_labels,
    api_live,
    api_live_steer,
    compare,
    dictionaries,
    features,
    health,
    home,
    jobs,
    label_acts,
    label_files,
    label_stream,
    labels,
    live,
    live_steer,
    people,
    reruns,
    sign_in,
    trials,
)
from app.security import Guard
from app.settings import AppSettings
from app.static_files import CachedStaticFiles
from app.templating import STATIC, make_environment
from app.version import VERSION
from catalog.engine import make_engine

ROUTES = (
    home,
    compare,
    live,
    jobs,
    health,
    api_dictionaries,
    api_features,
    api_jobs,
    api_live,
    api_live_steer,
    live_steer,
    dictionaries,
    features,
    label_files,
    api_labels,
    labels,
    label_acts,
    reruns,
    trials,
    label_stream,
    sign_in,
    account,
    people,
)


def create_app(settings: AppSettings, *, asking: Asking | None = None) -> FastAPI:
    """The application. The catalog is opened with the first request that needs it.

    asking: how people are known; by default as the settings say.
    """
    engine = make_engine(settings.catalog.database_url)
    metrics = Metrics(engine)
    paths = SitePaths(StaticFileHashes(STATIC), prefix=settings.path_prefix)
    app = FastAPI(
        title="Featurescope",
        version=VERSION,
        description="What every page shows, as JSON.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.site = Site(
        settings,
        engine,
        make_environment(paths, is_live=True, version=VERSION),
        paths,
    )
    app.state.metrics = metrics
    app.state.asking = asking or _asking(settings, engine, paths)
    for module in ROUTES:
        app.include_router(module.router, dependencies=[ARRIVED])
    app.mount("/static", CachedStaticFiles(directory=STATIC), name="static")
    add_error_answers(app)
    # The last one added is the outermost.
    app.add_middleware(Unfailing)
    app.add_middleware(RemoteGZip, minimum_size=1024, compresslevel=4)
    app.add_middleware(
        Guard,
        allowed_hosts=settings.allowed_hosts,
        # A little above, so that what is too long for a live request is told by its route, with its own words.
        most_bytes=settings.live_body_bytes + 2**20,
        is_private=settings.auth != "off",
    )
    app.add_middleware(Stopwatch, metrics=metrics)
    app.add_middleware(RequestLog, is_on=settings.access_log)
    return app


def _asking(settings: AppSettings, engine: Engine, paths: SitePaths) -> Asking:
    return OwnerAlone() if settings.auth == "off" else Accounts(engine, settings, paths)
