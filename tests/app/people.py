"""A way of knowing people for tests: a header says who asks and in which role. It has no place in a real server."""

from fastapi import Request
from fastapi.testclient import TestClient
from starlette.types import ASGIApp

from catalog.label_records import PersonRecord

BASE = "http://127.0.0.1"
HEADER = "x-person"


class ByHeader:
    """Whoever the header names, as `name:role`; nobody without it."""

    is_reading_open = True
    has_accounts = False

    async def person(self, request: Request) -> PersonRecord | None:
        name, _, role = request.headers.get(HEADER, "").partition(":")
        return PersonRecord(name, role) if name else None


def client_of(app: ASGIApp, name: str, role: str = "labeller") -> TestClient:
    """A client that somebody sits at."""
    return TestClient(app, base_url=BASE, headers={HEADER: f"{name}:{role}", "origin": BASE})
