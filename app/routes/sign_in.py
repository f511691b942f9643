"""Signing in and out, and choosing a password by a link. That a form comes from a page of ours is seen to before.

An unknown name and a wrong password get the same answer after the same work.
"""

from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from app.account_acts import open_session, prove, read, write
from app.dependencies import Site, SiteOf
from app.forms import read_form
from app.pages.people import JoinPage, SignInPage
from app.people.accounts import Accounts, AccountsOf, doer
from app.people.attempts import network_of
from app.people.rules import Myself, Newcomer
from catalog.label_text import one_line
from catalog.people_records import LONGEST_NAME, BadAccount, InvitationRecord, digest_of

FORM_BYTES = 16_384
LONGEST_PLACE = 2_000
WRONG = "That name and that password do not belong together."
router = APIRouter(include_in_schema=False)


@router.get("/sign-in")
def show_sign_in(site: SiteOf, _who: Newcomer, _accounts: AccountsOf, next: str = "") -> HTMLResponse:
    """The form."""
    return site.page("people/sign_in.html", page=SignInPage(place_of(site, next)))


@router.post("/sign-in")
async def sign_in(request: Request, site: SiteOf, _who: Newcomer, accounts: AccountsOf) -> Response:
    """Signed in, and on to where they wanted to go; or the form again."""
    form = await read_form(request, limit=FORM_BYTES)
    name = one_line(form.get("name", ""))[:LONGEST_NAME]
    accounts.attempts.count("sign-in", network_of(request))
    accounts.attempts.count("sign-in of one name", name.casefold())
    proven = await prove(accounts, name, form.get("password", ""))
    place = place_of(site, form.get("next", ""))
    if proven is None:
        await run_in_threadpool(_note_failure, accounts, request, name)
        page = SignInPage(place, name=name, problem=WRONG)
        return site.page("people/sign_in.html", status=401, page=page)
    return await signed_in(request, accounts, name=name, proven=proven, place=place)


@router.post("/sign-out")
def sign_out(request: Request, site: SiteOf, me: Myself, accounts: AccountsOf) -> RedirectResponse:
    """Signed out of this browser."""
    digest = getattr(request.state, "session", "")
    write(accounts.engine, doer(request, me), lambda people: people.end_session(digest))
    response = RedirectResponse(site.paths.sign_in(), status_code=303)
    accounts.cookie.clear(response)
    return response


@router.get("/join")
def show_join(
    request: Request, site: SiteOf, _who: Newcomer, accounts: AccountsOf, invitation: str = ""
) -> HTMLResponse:
    """The form in which whoever was invited chooses a password. Looking at it does not use the link up."""
    accounts.attempts.count("invitation", network_of(request))
    found = read(accounts.engine, lambda people: people.invitation(digest_of(invitation)))
    return _join_page(site, found, secret=invitation)


@router.post("/join")
async def join(request: Request, site: SiteOf, _who: Newcomer, accounts: AccountsOf) -> Response:
    """The password is theirs, the link used up, and they are signed in."""
    accounts.attempts.count("invitation", network_of(request))
    form = await read_form(request, limit=FORM_BYTES)
    secret = form.get("invitation", "")
    found = await run_in_threadpool(read, accounts.engine, lambda people: people.invitation(digest_of(secret)))
    if found is None:
        return _join_page(site, None, secret=secret)
    try:
        kept = await accounts.passwords.keep(form.get("password", ""))
        by = doer(request, None)
        name = await run_in_threadpool(
            write, accounts.engine, by, lambda people: people.join(digest_of(secret), password=kept)
        )
    except BadAccount as error:
        return _join_page(site, found, secret=secret, problem=str(error))
    return await signed_in(request, accounts, name=name, proven=kept, place=site.paths.home())


async def signed_in(request: Request, accounts: Accounts, *, name: str, proven: str, place: str) -> RedirectResponse:
    """The answer that signs a browser in and goes on to a page."""
    secret = await open_session(accounts, request, name=name, proven=proven)
    response = RedirectResponse(place, status_code=303)
    accounts.cookie.write(request, response, secret)
    return response


def place_of(site: Site, wanted: str) -> str:
    """Where to go after signing in: the page that was wanted, where it is one of ours, else the front page."""
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return site.paths.home()
    is_plain = len(wanted) <= LONGEST_PLACE and wanted.isprintable() and wanted.isascii() and "\\" not in wanted
    is_ours = not parts.scheme and not parts.netloc and wanted.startswith(site.paths.home())
    return wanted if is_plain and is_ours and not wanted.startswith("//") else site.paths.home()


def _note_failure(accounts: Accounts, request: Request, name: str) -> None:
    """A name that nobody has is not written down: it may be a password typed into the wrong field."""
    known = read(accounts.engine, lambda people: people.password(name)) is not None
    about = f"as {name}" if known else "as nobody known"
    write(accounts.engine, doer(request, None), lambda people: people.note("sign-in failed", about))


def _join_page(site: Site, found: InvitationRecord | None, *, secret: str, problem: str = "") -> HTMLResponse:
    status = 404 if found is None else 422 if problem else 200
    page = JoinPage(None if found is None else found.name, found.role if found else None, secret, problem)
    return site.page("people/join.html", status=status, page=page)
