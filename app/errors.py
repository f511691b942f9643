"""Errors as pages for people and as JSON for programs: what is wrong, and the way out."""

import logging
from dataclasses import dataclass

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.dependencies import site_of
from app.failures import AppError
from app.library import FeatureNotFound, NotHarvested, NotInSubset
from app.live.failures import ClientGone, LiveFailure
from app.people.accounts import BadToken, SignInOff, UnsaidOrigin
from app.people.attempts import TooOften
from app.people.rules import NotAllowed, TakesPerson
from app.requests import request_id
from catalog.errors import (
    BadLabel,
    BadQuery,
    Busy,
    CatalogError,
    JobOver,
    LabelChanged,
    NotFound,
    StorageFull,
    Unreachable,
    WrongRevision,
)
from catalog.people_records import BadAccount

log = logging.getLogger(__name__)
CLIENT_GONE = 499


@dataclass(frozen=True, slots=True)
class Link:
    """A place to go instead."""

    href: str
    text: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, as both kinds of answer say it."""

    status: int
    code: str
    title: str
    message: str
    hint: str = ""
    nearest: tuple[Link, ...] = ()


def add_error_answers(app: FastAPI) -> None:
    """Let every error answer with a page or, below /api/, with the error object."""
    app.add_exception_handler(CatalogError, _answer_catalog)
    app.add_exception_handler(AppError, _answer_own)
    app.add_exception_handler(NotAllowed, _answer_not_allowed)
    for refused in (TakesPerson, BadToken, UnsaidOrigin, TooOften, SignInOff):
        app.add_exception_handler(refused, _answer_refused)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(RequestValidationError, _answer_invalid)


class Unfailing:
    """Answers what nobody foresaw with our own page, inside the layers that mark, measure and log every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on. An answer that has begun cannot be taken back: then the error goes to the server."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def send_seen(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_seen)
        except Exception as error:
            if has_begun:
                raise
            await _answer_unexpected(Request(scope, receive), error)(scope, receive, send)


def answer(request: Request, problem: Problem) -> Response:
    """The problem as the path asked for it."""
    if request.url.path.removeprefix(site_of(request).paths.prefix).startswith("/api/"):
        body = {"error": {"code": problem.code, "message": problem.message, "hint": problem.hint}}
        return JSONResponse(body, status_code=problem.status)
    site = site_of(request)
    return site.page("error.html", status=problem.status, error=problem, request_id=request_id(request))


def _answer_catalog(request: Request, error: Exception) -> Response:
    if isinstance(error, NotFound):
        return answer(request, _not_found(request, error))
    if isinstance(error, BadQuery):
        return answer(request, Problem(400, "bad_query", "That list cannot be made", str(error)))
    if isinstance(error, JobOver):
        return answer(
            request, Problem(409, "job_over", "That job is over", str(error), "The page /jobs shows the rest.")
        )
    if isinstance(error, BadAccount):
        return answer(request, Problem(422, "account_refused", "That cannot be taken", str(error)))
    if isinstance(error, BadLabel | LabelChanged):
        return answer(request, _about_label(error))
    if isinstance(error, WrongRevision | Unreachable | Busy | StorageFull):
        return answer(request, Problem(503, "catalog_unavailable", "The catalog cannot be read", str(error)))
    log.error("The catalog failed on %s: %s", request.url.path, error)
    return answer(request, Problem(500, "catalog_error", "The catalog failed", str(error)))


def _answer_own(request: Request, error: Exception) -> Response:
    if isinstance(error, ClientGone):
        return Response(status_code=CLIENT_GONE)
    if isinstance(error, LiveFailure):
        return _answer_live(request, error)
    log.error("The page %s cannot be made: %s", request.url.path, error)
    return answer(request, Problem(500, "app_error", "This page cannot be made", str(error)))


def live_problem(error: LiveFailure) -> Problem:
    """What a page says of a live request that got no answer."""
    return Problem(error.status, error.code, "No live answer", str(error), error.hint)


def _answer_live(request: Request, error: LiveFailure) -> Response:
    told = answer(request, live_problem(error))
    if error.retry_after_s is not None:
        told.headers["Retry-After"] = str(error.retry_after_s)
    return told


def _about_label(error: BadLabel | LabelChanged) -> Problem:
    if isinstance(error, LabelChanged):
        return Problem(409, "label_changed", "Somebody was faster", str(error), "Read the label again first.")
    return Problem(422, "label_refused", "That label cannot be taken", str(error))


def _answer_not_allowed(request: Request, error: Exception) -> Response:
    """Whoever opens a page without being known is asked to sign in, and comes back to it then."""
    assert isinstance(error, NotAllowed)
    if not error.is_unknown:
        return answer(request, Problem(403, "not_allowed", "That takes another role", str(error), "Ask an admin."))
    paths = site_of(request).paths
    place = request.url.path.removeprefix(paths.prefix)
    if request.method == "GET" and _is_opened(request) and not place.startswith("/api/"):
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(paths.sign_in(next=f"{paths.prefix}{place}{query}"), status_code=303)
    way = (Link(paths.sign_in(), "sign in"),)
    told = answer(request, Problem(401, "not_signed_in", "That takes signing in", str(error), nearest=way))
    told.headers["WWW-Authenticate"] = "Bearer"
    return told


def _is_opened(request: Request) -> bool:
    """Whether a browser opens the address as a page, rather than a script a part of one."""
    return "text/html" in request.headers.get("accept", "")


def _answer_refused(request: Request, error: Exception) -> Response:
    """What is refused at the door."""
    if isinstance(error, TooOften):
        told = answer(request, Problem(429, "too_often", "Too often", str(error)))
        told.headers["Retry-After"] = str(error.retry_after_s)
        return told
    if isinstance(error, SignInOff):
        hint = "To let people sign in, start the app with FEATURESCOPE_AUTH=accounts."
        return answer(request, Problem(404, "sign_in_off", "No sign-in", str(error), hint))
    if isinstance(error, BadToken):
        told = answer(request, Problem(401, "bad_token", "No such token", str(error), "Make another on your page."))
        told.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
        return told
    return answer(request, Problem(403, "not_allowed", "Refused", str(error)))


def _not_found(request: Request, error: NotFound) -> Problem:
    paths = site_of(request).paths
    nearest: tuple[Link, ...] = ()
    if isinstance(error, FeatureNotFound):
        place = error.nearest_index
        nearest = (Link(paths.feature(error.dictionary, place), f"feature {place}"),)
    elif isinstance(error, NotInSubset):
        nearest = (Link(paths.dictionary(error.dictionary, harvest=error.harvest), "the features it has"),)
    elif error.kind == "dictionary":
        nearest = tuple(Link(paths.dictionary(slug), slug) for slug in error.nearest)
    is_missing = isinstance(error, NotHarvested | NotInSubset)
    title = "Not harvested yet" if is_missing else f"No such {error.kind}"
    return Problem(404, "not_found", title, str(error), _hint(nearest), nearest)


def _hint(nearest: tuple[Link, ...]) -> str:
    return "" if nearest else "The front page lists what there is."


def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        message = f"There is no page at {request.url.path!r}."
        return answer(
            request, Problem(404, "not_found", "No such page", message, "The front page lists what there is.")
        )
    return answer(request, Problem(error.status_code, "refused", "That is not possible", f"{error.detail}."))


def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    parts = [f"{'.'.join(str(place) for place in item['loc'][1:])}: {item['msg']}" for item in error.errors()]
    return answer(request, Problem(422, "invalid", "That address is not understood", "; ".join(parts) + "."))


def _answer_unexpected(request: Request, error: Exception) -> Response:
    log.error("Something failed on %s.", request.url.path, exc_info=error)
    message = f"Something failed while this page was made. It is in the log under request {request_id(request)}."
    return answer(
        request, Problem(500, "internal", "Our fault", message, "Try again, or tell whoever runs this server.")
    )
