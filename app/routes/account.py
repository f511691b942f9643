"""One's own page: password, where one is signed in, and the tokens of one's programs."""

import math
from typing import cast

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from app.account_acts import prove, read
from app.forms import read_form
from app.pages.people import TOKEN_DAYS, AccountPage, account_page
from app.people.accounts import PREFIX
from app.people.cookie import new_secret
from app.routes.sign_in import FORM_BYTES, signed_in
from app.visits import MyVisit, Visit
from catalog.label_records import PersonRecord
from catalog.label_text import one_line
from catalog.people_records import SCOPES, BadAccount, Scope, digest_of

WRONG = "That is not your current password."
router = APIRouter(prefix="/account", include_in_schema=False)


@router.get("")
def show_account(visit: MyVisit) -> HTMLResponse:
    """The page."""
    return visit.site.page("people/account.html", page=_page(visit))


@router.post("/password")
async def change_password(visit: MyVisit) -> Response:
    """Another password; every other browser is signed out."""
    visit.count("password")
    visit.accounts.attempts.count("password of one name", visit.me.name)
    form = await read_form(visit.request, limit=FORM_BYTES)
    proven = await prove(visit.accounts, visit.me.name, form.get("current", ""))
    if proven is None:
        return await run_in_threadpool(_refused, visit, WRONG)
    try:
        kept = await visit.accounts.passwords.keep(form.get("password", ""))
        await visit.do_aside(lambda people: people.change_password(visit.me.name, kept, proven=proven))
    except BadAccount as error:
        return await run_in_threadpool(_refused, visit, str(error))
    return await signed_in(
        visit.request, visit.accounts, name=visit.me.name, proven=kept, place=visit.site.paths.account()
    )


@router.post("/sign-out-everywhere")
def sign_out_everywhere(visit: MyVisit) -> RedirectResponse:
    """Every browser is signed out, this one too."""
    visit.do(lambda people: people.end_sessions(visit.me.name))
    response = RedirectResponse(visit.site.paths.sign_in(), status_code=303)
    visit.accounts.cookie.clear(response)
    return response


@router.post("/tokens")
async def make_token(visit: MyVisit) -> HTMLResponse:
    """A new token, shown in this answer and never again."""
    visit.count("token")
    form = await read_form(visit.request, limit=FORM_BYTES)
    return await run_in_threadpool(_make_token, visit, form)


@router.post("/tokens/revoke")
async def revoke_token(visit: MyVisit) -> RedirectResponse:
    """A token that holds no more."""
    form = await read_form(visit.request, limit=FORM_BYTES)
    number = form.get("token", "")
    token = int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else 0
    await visit.do_aside(lambda people: people.revoke_token(visit.me.name, token))
    return RedirectResponse(f"{visit.site.paths.account()}#tokens", status_code=303)


def _make_token(visit: Visit, form: dict[str, str]) -> HTMLResponse:
    me, secret, title = visit.me, PREFIX + new_secret(), one_line(form.get("name", ""))
    try:
        scope, days = _scope(form.get("scope", ""), me), _days(form.get("days", ""))
        visit.do(lambda people: people.make_token(me.name, title, scope=scope, digest=digest_of(secret), days=days))
    except BadAccount as error:
        return _refused(visit, str(error))
    return visit.site.page("people/account.html", page=_page(visit, new_token=secret))


def _scope(given: str, me: PersonRecord) -> Scope:
    if given not in SCOPES:
        raise BadAccount(f"The scope is {given!r}; it is one of {', '.join(SCOPES)}.")
    scope = cast(Scope, given)
    if not me.may(SCOPES[scope]):
        raise BadAccount(f"You are a {me.role}; a token of yours cannot have the scope {scope!r}.")
    return scope


def _days(given: str) -> float:
    days = float(given) if given.isascii() and given.isdecimal() else math.nan
    if not 1 <= days <= TOKEN_DAYS:
        raise BadAccount(f"A token lasts from 1 to {TOKEN_DAYS} days; {given!r} is none of those.")
    return days


def _refused(visit: Visit, problem: str) -> HTMLResponse:
    return visit.site.page("people/account.html", status=422, page=_page(visit, problem=problem))


def _page(visit: Visit, *, problem: str = "", new_token: str = "") -> AccountPage:
    me = visit.me
    sessions, tokens = read(visit.accounts.engine, lambda people: (people.sessions(me.name), people.tokens(me.name)))
    return account_page(me, sessions, tokens, here=visit.session, problem=problem, new_token=new_token)
