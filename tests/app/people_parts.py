"""What the parts about signing in are given."""

from collections.abc import Mapping
from typing import Any

from app.pages.people import account_page, audit_page, people_page
from app.paths import SitePaths, StaticFileHashes
from app.templating import STATIC
from catalog.label_records import PersonRecord
from catalog.people_records import AccountRecord, AuditRecord, InvitationRecord, SessionRecord, TokenRecord

AT = "2026-01-05T10:00:00+00:00"
LATER = "2026-02-05T10:00:00+00:00"


def people_arguments(*, is_empty: bool) -> Mapping[str, Mapping[str, Any]]:
    """By folder and name; is_empty: nobody and nothing is there yet."""
    me = PersonRecord("kim", "admin")
    sessions = [] if is_empty else [SessionRecord("d", "a browser", AT, LATER)]
    tokens = [] if is_empty else [TokenRecord(1, "script", "read", AT, LATER)]
    account = account_page(me, sessions, tokens, here="d", new_token="" if is_empty else "shown once")
    people = [] if is_empty else [AccountRecord("kim", "admin", True, AT), AccountRecord("lee", "viewer", False, AT)]
    invitations = [] if is_empty else [InvitationRecord(1, "bob", None, "", AT, LATER)]
    lines = [] if is_empty else [AuditRecord(1, AT, "signed in", "kim", "", "192.0.2.7")]
    everybody = people_page(people, invitations, me=me)
    return {
        **{f"people/_{name}.html": {"page": account} for name in ("tokens", "sessions", "password")},
        **{f"people/_{name}.html": {"page": everybody} for name in ("people", "invitations")},
        "people/_audit.html": {"page": audit_page(lines, SitePaths(StaticFileHashes(STATIC)))},
    }
