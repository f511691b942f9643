"""What a route is handed: a view of the catalog for the length of one request, and the site it prints with."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment
from sqlalchemy import Engine

from app.label_stream.notifier import Notifier
from app.library import Library, Shelf
from app.live.client import LiveClient
from app.live.doors import Doors
from app.live.kept import KeptAnswers
from app.paths import PinnedPaths, SitePaths
from app.settings import AppSettings
from catalog.engine import session_scope
from catalog.reader import CatalogReader


class Site:
    """What the whole app shares: settings, database, templates, addresses."""

    def __init__(self, settings: AppSettings, engine: Engine, environment: Environment, paths: SitePaths) -> None:
        self.settings = settings
        self.engine = engine
        self.paths = paths
        self.shelf = Shelf()
        self.answers = KeptAnswers()
        self.live = LiveClient(Doors(engine, settings.catalog), seconds=settings.live_timeout_s)
        self.notifier = Notifier(engine)
        self._environment = environment

    @contextmanager
    def library(self) -> Iterator[Library]:
        """A reading session, for a route that asks for no other: it is opened and ended in the route's own thread."""
        with session_scope(self.engine) as session:
            yield Library(CatalogReader(session, self.shelf.blocks), self.shelf)

    def paths_to(self, dictionary: str, harvest: str | None) -> SitePaths | PinnedPaths:
        """The addresses for a page of that dictionary, kept to its harvest where the page is."""
        return PinnedPaths(self.paths, dictionary, harvest) if harvest else self.paths

    def page(self, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """A template filled in."""
        return HTMLResponse(self.part(template, **values), status_code=status)

    def part(self, template: str, **values: Any) -> str:
        """A template filled in, as a piece of a page that is there already."""
        return self._environment.get_template(template).render(values)


def site_of(request: Request) -> Site:
    """The site this app was built with."""
    return request.app.state.site


def library_of(request: Request) -> Iterator[Library]:
    """A reading session that ends with the request.

    A plain generator: FastAPI ends it in a thread beyond the limit of threads. Where an end had to wait for one of
    them, requests that wait for a connection could hold them all.
    """
    with site_of(request).library() as library:
        yield library


async def _site(request: Request) -> Site:
    """A coroutine, for a plain function would be sent to a thread and waited for."""
    return site_of(request)


SiteOf = Annotated[Site, Depends(_site)]
LibraryOf = Annotated[Library, Depends(library_of)]
