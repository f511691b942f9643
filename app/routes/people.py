"""Everybody: who they are, what they may do, who was invited, and the audit log. For admins, who come in person."""

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse

from app.account_acts import read, write
from app.dependencies import SiteOf
from app.pages.people import AUDIT_LINES, PeoplePage, audit_page, people_page
from app.people.accounts import doer
from app.people.cookie import new_secret
from app.people.rules import Admin
from app.sending import IN_MEMORY, portions
from app.visits import AdminVisit, Visit
from catalog.label_records import Role
from catalog.people_records import BadAccount, digest_of
from catalog.writer.accounts import AccountWriter

Name = Annotated[str, Form(max_length=400)]
NewRole = Annotated[Role, Form()]
Number = Annotated[int, Form(ge=1, le=2**31 - 1)]
router = APIRouter(prefix="/people", include_in_schema=False)


@router.get("")
def show_people(visit: AdminVisit) -> HTMLResponse:
    """The page."""
    return visit.site.page("people/index.html", page=_page(visit))


@router.post("/invite")
def invite(name: Name, role: NewRole, visit: AdminVisit) -> HTMLResponse:
    """A link for somebody new, shown in this answer and never again."""
    hours = visit.site.settings.invitation_hours
    return _linked(visit, lambda people, digest: people.invite(name, role, digest=digest, hours=hours))


@router.post("/renew")
def renew(name: Name, visit: AdminVisit) -> HTMLResponse:
    """A link with which somebody chooses a new password, shown once too."""
    hours = visit.site.settings.invitation_hours
    return _linked(visit, lambda people, digest: people.renew(name, digest=digest, hours=hours))


@router.post("/withdraw")
def withdraw(invitation: Number, visit: AdminVisit) -> RedirectResponse:
    """A link that holds no more."""
    visit.do(lambda people: people.withdraw(invitation))
    return RedirectResponse(f"{visit.site.paths.people()}#invitations", status_code=303)


@router.post("/role", response_model=None)
def set_role(name: Name, role: NewRole, visit: AdminVisit) -> HTMLResponse | RedirectResponse:
    """Another role for somebody."""
    return _done(visit, lambda people: people.set_role(name, role))


@router.post("/remove", response_model=None)
def remove_access(name: Name, visit: AdminVisit) -> HTMLResponse | RedirectResponse:
    """Somebody who may sign in no more; what they said stays."""
    return _done(visit, lambda people: people.remove_access(name))


@router.get("/audit")
def show_audit(
    site: SiteOf, _by: Admin, before: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None
) -> HTMLResponse:
    """Who signed in and decided what, the newest first."""
    lines = read(site.engine, lambda people: people.audit(before=before, limit=AUDIT_LINES + 1))
    return site.page("people/audit.html", page=audit_page(lines, site.paths))


@router.get("/audit.jsonl", response_class=StreamingResponse)
def export_audit(request: Request, site: SiteOf, by: Admin) -> StreamingResponse:
    """All of it, a JSON object a line, oldest first. It is written before it is sent, so that no session waits."""
    write(site.engine, doer(request, by), lambda people: people.note("audit exported"))
    file = tempfile.SpooledTemporaryFile(IN_MEMORY, mode="w+", encoding="utf-8", newline="")  # noqa: SIM115 (sent below)
    with site.library() as library:
        for line in library.reader.accounts.whole_audit():
            file.write(json.dumps(asdict(line), ensure_ascii=False) + "\n")
    file.seek(0)
    headers = {"Content-Disposition": 'attachment; filename="audit.jsonl"'}
    return StreamingResponse(portions(file), media_type="application/x-ndjson; charset=utf-8", headers=headers)


def _linked(visit: Visit, act: Callable[[AccountWriter, str], object]) -> HTMLResponse:
    visit.count("invitation")
    secret = new_secret()
    try:
        visit.do(lambda people: act(people, digest_of(secret)))
    except BadAccount as error:
        return visit.site.page("people/index.html", status=422, page=_page(visit, problem=str(error)))
    base = f"{visit.request.url.scheme}://{visit.request.url.netloc}"
    link = f"{base}{visit.site.paths.join(invitation=secret)}"
    return visit.site.page("people/index.html", page=_page(visit, link=link))


def _done(visit: Visit, act: Callable[[AccountWriter], None]) -> HTMLResponse | RedirectResponse:
    try:
        visit.do(act)
    except BadAccount as error:
        return visit.site.page("people/index.html", status=422, page=_page(visit, problem=str(error)))
    return RedirectResponse(visit.site.paths.people(), status_code=303)


def _page(visit: Visit, *, problem: str = "", link: str = "") -> PeoplePage:
    people, invitations = read(visit.accounts.engine, lambda people: (people.all(), people.invitations()))
    return people_page(people, invitations, me=visit.me, problem=problem, link=link)
