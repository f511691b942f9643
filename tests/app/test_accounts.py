"""People who sign in by password: links, sessions, roles, tokens, and what the audit log says of it. Both databases."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from fastapi import FastAPI
from sqlalchemy import select

from app.account_acts import read, write
from app.people.attempts import ALLOWED
from app.people.cookie import NAME
from catalog.engine import session_scope
from catalog.people_records import BadAccount, digest_of
from catalog.schema import InvitationRow, PasswordRow, SessionRow, TokenRow
from tests.app.accounts import (
    BY,
    PASSWORD,
    accounts_app,
    audit_of,
    browser,
    engine_of,
    invite,
    kept_password,
    program,
    secret_on,
    settle,
    sign_in,
    signed_in,
    token_of,
)
from tests.app.people import BASE

OTHER = "another walk by the sea"


@pytest.fixture
def app(database_url: str, tmp_path: Path) -> Iterator[FastAPI]:
    app = accounts_app(database_url, tmp_path)
    yield app
    engine_of(app).dispose()


def acts_of(app: FastAPI) -> list[tuple[str, str, str]]:
    return [(line.act, line.person, line.about) for line in audit_of(engine_of(app))]


def test_a_link_lets_one_person_in_once(app: FastAPI):
    secret = invite(engine_of(app), "Kim", "admin")
    client = browser(app)
    page = client.get("/join", params={"invitation": secret})
    assert page.status_code == 200
    assert "Kim" in page.text
    joined = client.post("/join", data={"invitation": secret, "password": PASSWORD})
    assert (joined.status_code, joined.headers["location"]) == (303, "/")
    assert "Kim" in client.get("/").text
    again = browser(app).post("/join", data={"invitation": secret, "password": OTHER})
    assert again.status_code == 404
    assert "This link does not work" in again.text
    assert acts_of(app) == [
        ("invited", "", "Kim as admin"),
        ("joined", "Kim", "Kim as admin"),
        ("signed in", "Kim", ""),
    ]


def test_a_link_is_useless_when_it_is_too_old_or_was_withdrawn_or_replaced(app: FastAPI):
    engine = engine_of(app)
    write(engine, BY, lambda people: people.invite("Old", "viewer", digest=digest_of("old"), hours=-1))
    first = invite(engine, "Kim", "viewer")
    second = invite(engine, "Kim", "labeller")
    third = invite(engine, "Lee", "viewer")
    (number,) = [each.id for each in read(engine, lambda people: people.invitations()) if each.name == "Lee"]
    write(engine, BY, lambda people: people.withdraw(number))
    found = {
        secret: browser(app).get("/join", params={"invitation": secret}).status_code
        for secret in ("old", first, second, third)
    }
    assert found == {"old": 404, first: 404, second: 200, third: 404}


def test_a_weak_password_is_refused_and_the_link_stays_good(app: FastAPI):
    secret = invite(engine_of(app), "Kim", "viewer")
    client = browser(app)
    refused = client.post("/join", data={"invitation": secret, "password": "short"})
    assert refused.status_code == 422
    assert "12 to 200 characters; this one has 5" in refused.text
    assert client.post("/join", data={"invitation": secret, "password": "x" * 20}).status_code == 422
    assert client.post("/join", data={"invitation": secret, "password": PASSWORD}).status_code == 303


def test_the_catalog_keeps_no_secret_that_could_be_shown(app: FastAPI):
    engine = engine_of(app)
    settle(engine, "Kim", "admin")
    invitation, token = invite(engine, "Lee", "viewer"), token_of(app, "Kim", "read")
    client = browser(app)
    sign_in(client, "Kim")
    cookie = client.cookies[NAME].partition(".")[0]
    with session_scope(engine) as session:
        kept = session.scalar(select(PasswordRow.hash))
        digests = [session.scalars(select(kind.digest)).all() for kind in (InvitationRow, SessionRow, TokenRow)]
    assert kept is not None
    assert kept.startswith("$argon2id$")
    assert digests == [[digest_of(invitation)], [digest_of(cookie)], [digest_of(token)]]


def test_a_session_is_in_a_cookie_that_scripts_and_other_sites_do_not_get(app: FastAPI):
    settle(engine_of(app), "Kim", "viewer")
    answer = sign_in(browser(app), "Kim")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie
    over_https = browser(app).post(
        "https://127.0.0.1/sign-in", data={"name": "Kim", "password": PASSWORD}, headers={"origin": "https://127.0.0.1"}
    )
    assert "Secure" in over_https.headers["set-cookie"]
    assert answer.headers["cache-control"] == "private, no-store"


def test_a_cookie_that_was_not_signed_here_is_nobody(app: FastAPI):
    settle(engine_of(app), "Kim", "viewer")
    client = signed_in(app, "Kim")
    good = client.cookies[NAME]
    assert client.get("/account").status_code == 200
    said, _, signature = good.partition(".")
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    for bad in (f"{said}.{flipped}", said, f"{said}.", "x.y", "é.é"):
        cookie = f"{NAME}={bad}".encode()
        assert browser(app).get("/account", headers={"cookie": cookie}).status_code == 401  # type: ignore[dict-item]


def test_an_unknown_name_and_a_wrong_password_get_the_same_answer(app: FastAPI):
    settle(engine_of(app), "Kim", "viewer")
    wrong, unknown = sign_in(browser(app), "Kim", OTHER), sign_in(browser(app), "Kem", OTHER)
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.text.replace("Kim", "").replace(wrong.headers["x-request-id"], "") == unknown.text.replace(
        "Kem", ""
    ).replace(unknown.headers["x-request-id"], "")
    assert wrong.headers.keys() == unknown.headers.keys()
    failures = [line for line in audit_of(engine_of(app)) if line.act == "sign-in failed"]
    assert [(line.about, line.address) for line in failures] == [
        ("as Kim", "testclient"),
        ("as nobody known", "testclient"),
    ]


def test_an_unknown_name_costs_a_look_at_a_password_too(app: FastAPI, monkeypatch: pytest.MonkeyPatch):
    seen: list[str] = []
    hasher = app.state.asking.passwords._hasher
    verify = type(hasher).verify

    def counted(self, kept, password):
        seen.append(kept.rpartition("$")[0].rpartition("$")[0])
        return verify(self, kept, password)

    monkeypatch.setattr(type(hasher), "verify", counted)
    settle(engine_of(app), "Kim", "viewer")
    for name in ("Kim", "Kem"):
        sign_in(browser(app), name, OTHER)
    assert len(seen) == 2
    assert seen[0] == seen[1]  # the same kind, memory, rounds and lanes


def test_signing_in_goes_on_to_the_page_that_was_wanted_if_it_is_ours(app: FastAPI):
    settle(engine_of(app), "Kim", "viewer")
    asked = browser(app).get("/jobs?page=2", headers={"accept": "text/html"})
    assert (asked.status_code, asked.headers["location"]) == (303, "/sign-in?next=%2Fjobs%3Fpage%3D2")
    wanted = {
        "/jobs?page=2": "/jobs?page=2",
        "//evil.example": "/",
        "/\\evil.example": "/",
        "https://evil.example/": "/",
        "/\t/evil.example": "/",
        "javascript:alert(1)": "/",
        "": "/",
    }
    for next_, place in list(wanted.items())[: ALLOWED["sign-in"].amount]:
        assert sign_in(browser(app), "Kim", next=next_).headers["location"] == place


def test_signing_out_ends_the_session_on_the_server(app: FastAPI):
    settle(engine_of(app), "Kim", "viewer")
    client, other = signed_in(app, "Kim"), signed_in(app, "Kim")
    cookie = client.cookies[NAME]
    assert client.post("/sign-out").status_code == 303
    thief = browser(app)
    thief.cookies.set(NAME, cookie)
    assert thief.get("/account").status_code == 401
    assert other.get("/account").status_code == 200


def test_signing_out_everywhere_leaves_no_browser_in(app: FastAPI):
    settle(engine_of(app), "Kim", "viewer")
    clients = [signed_in(app, "Kim") for _ in range(3)]
    assert clients[0].post("/account/sign-out-everywhere").status_code == 303
    assert [client.get("/account").status_code for client in clients] == [401, 401, 401]


def test_a_new_password_signs_other_browsers_out_and_the_old_one_is_over(app: FastAPI):
    settle(engine_of(app), "Kim", "viewer")
    client, other = signed_in(app, "Kim"), signed_in(app, "Kim")
    wrong = client.post("/account/password", data={"current": OTHER, "password": OTHER})
    assert wrong.status_code == 422
    assert "That is not your current password." in wrong.text
    assert client.post("/account/password", data={"current": PASSWORD, "password": OTHER}).status_code == 303
    assert (client.get("/account").status_code, other.get("/account").status_code) == (200, 401)
    assert sign_in(browser(app), "Kim").status_code == 401
    assert sign_in(browser(app), "Kim", OTHER).status_code == 303


def test_who_signs_in_while_the_password_changes_stays_out(app: FastAPI):
    settle(engine_of(app), "Kim", "viewer")
    engine = engine_of(app)
    write(engine, BY, lambda people: people.change_password("Kim", "another hash", proven=kept_password()))
    with pytest.raises(BadAccount, match="changed meanwhile"):
        write(engine, BY, lambda people: people.open_session("Kim", proven=kept_password(), digest="d", days=1))


def test_an_admin_invites_changes_roles_and_takes_access_away(app: FastAPI):
    engine = engine_of(app)
    settle(engine, "Ada", "admin")
    ada = signed_in(app, "Ada")
    page = ada.post("/people/invite", data={"name": "Kim", "role": "labeller"})
    secret = secret_on(page.text, "invitation")
    assert f"{BASE}/join?invitation={secret}" in BeautifulSoup(page.text, "html.parser").text
    kim = browser(app)
    assert kim.post("/join", data={"invitation": secret, "password": PASSWORD}).status_code == 303
    assert kim.get("/people").status_code == 403
    assert ada.post("/people/role", data={"name": "Kim", "role": "admin"}).status_code == 303
    assert kim.get("/people").status_code == 200
    token = token_of(app, "Kim", "read")
    assert ada.post("/people/remove", data={"name": "Kim"}).status_code == 303
    assert kim.get("/account").status_code == 401
    assert program(app, token).get("/api/v1/labels").status_code == 401
    told = [(act, person, about) for act, person, about in acts_of(app) if person == "Ada"]
    assert told == [
        ("joined", "Ada", "Ada as admin"),
        ("signed in", "Ada", ""),
        ("invited", "Ada", "Kim as labeller"),
        ("role changed", "Ada", "Kim from labeller to admin"),
        ("access removed", "Ada", "Kim"),
    ]


def test_the_last_admin_stays_one(app: FastAPI):
    settle(engine_of(app), "Ada", "admin")
    ada = signed_in(app, "Ada")
    for act, more in (("role", {"role": "viewer"}), ("remove", {})):
        refused = ada.post(f"/people/{act}", data={"name": "Ada", **more})
        assert refused.status_code == 422
        assert "is the only admin who can sign in" in refused.text
    settle(engine_of(app), "Bob", "admin")
    assert ada.post("/people/role", data={"name": "Ada", "role": "viewer"}).status_code == 303
    assert ada.get("/people").status_code == 403


def test_nobody_is_invited_under_the_name_of_somebody_else(app: FastAPI):
    settle(engine_of(app), "Ada", "admin")
    ada = signed_in(app, "Ada")
    for name in ("Ada", "ada", "owner", "A guest", "x (imported)", " \u202e ", "x" * 61, "…"):
        assert ada.post("/people/invite", data={"name": name, "role": "viewer"}).status_code == 422, name


def test_a_link_for_a_new_password_keeps_role_and_ends_sessions(app: FastAPI):
    settle(engine_of(app), "Ada", "admin")
    settle(engine_of(app), "Kim", "labeller")
    ada, kim = signed_in(app, "Ada"), signed_in(app, "Kim")
    secret = secret_on(ada.post("/people/renew", data={"name": "Kim"}).text, "invitation")
    assert kim.get("/account").status_code == 200
    fresh = browser(app)
    assert fresh.post("/join", data={"invitation": secret, "password": OTHER}).status_code == 303
    assert "labeller" in fresh.get("/account").text
    assert kim.get("/account").status_code == 401


def test_a_token_is_shown_once_and_does_no_more_than_its_scope(app: FastAPI):
    settle(engine_of(app), "Kim", "labeller")
    kim = signed_in(app, "Kim")
    made = kim.post("/account/tokens", data={"name": "my script", "scope": "read", "days": "30"})
    token = secret_on(made.text, "token")
    assert token not in kim.get("/account").text
    reader = program(app, token)
    assert reader.get("/api/v1/labels").status_code == 200
    refused = reader.post("/api/v1/dictionaries/any/features/0/labels", json={"text": "mine"})
    assert refused.status_code == 403
    labeller = program(app, token_of(app, "Kim", "label"))
    assert labeller.post("/api/v1/dictionaries/any/features/0/labels", json={"text": "mine"}).status_code == 404
    too_much = kim.post("/account/tokens", data={"name": "x", "scope": "admin", "days": "30"})
    assert too_much.status_code == 422


def test_a_token_does_less_when_its_person_may_do_less(app: FastAPI):
    settle(engine_of(app), "Ada", "admin")
    settle(engine_of(app), "Bob", "admin")
    tool = program(app, token_of(app, "Bob", "admin"))
    assert tool.get("/people/audit").status_code == 200
    write(engine_of(app), BY, lambda people: people.set_role("Bob", "viewer"))
    assert tool.get("/people/audit").status_code == 403


def test_a_token_ends_when_it_is_revoked_or_runs_out(app: FastAPI):
    settle(engine_of(app), "Kim", "viewer")
    settle(engine_of(app), "Lee", "viewer")
    token = token_of(app, "Kim", "read")
    assert program(app, token).get("/jobs").status_code == 200
    (number,) = [each.id for each in read(engine_of(app), lambda people: people.tokens("Kim"))]
    assert signed_in(app, "Lee").post("/account/tokens/revoke", data={"token": number}).status_code == 404
    assert signed_in(app, "Kim").post("/account/tokens/revoke", data={"token": number}).status_code == 303
    refused = program(app, token).get("/api/v1/labels")
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "bad_token")
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert program(app, token_of(app, "Kim", "read", days=-1)).get("/jobs").status_code == 401


def test_a_token_makes_no_token_and_changes_nobody(app: FastAPI):
    settle(engine_of(app), "Ada", "admin")
    tool = program(app, token_of(app, "Ada", "admin"))
    for path, data in {
        "/account/tokens": {"name": "x", "scope": "admin", "days": "1"},
        "/account/password": {"current": PASSWORD, "password": OTHER},
        "/people/invite": {"name": "Kim", "role": "admin"},
        "/people/role": {"name": "Ada", "role": "viewer"},
    }.items():
        refused = tool.post(path, data=data)
        assert refused.status_code == 403
        assert "sign in with your password" in refused.text
    assert tool.get("/account").status_code == 403


def test_the_audit_log_is_read_and_exported_by_admins(app: FastAPI):
    settle(engine_of(app), "Ada", "admin")
    settle(engine_of(app), "Kim", "labeller")
    sign_in(browser(app), "Kim", OTHER)
    ada = signed_in(app, "Ada")
    assert "sign-in failed" in ada.get("/people/audit").text
    lines = [json.loads(line) for line in ada.get("/people/audit.jsonl").text.splitlines()]
    assert [line["act"] for line in lines].count("sign-in failed") == 1
    assert lines[-1] | {"at": "", "number": 0} == {
        "number": 0,
        "at": "",
        "act": "audit exported",
        "person": "Ada",
        "about": "",
        "address": "testclient",
    }
    kim = signed_in(app, "Kim")
    assert [kim.get(path).status_code for path in ("/people/audit", "/people/audit.jsonl", "/people")] == [403] * 3


def test_old_lines_of_the_audit_log_are_a_page_further(app: FastAPI):
    settle(engine_of(app), "Ada", "admin")
    for number in range(100):
        write(engine_of(app), BY, lambda people, number=number: people.note("signed out", f"line {number}"))
    ada = signed_in(app, "Ada")
    first = BeautifulSoup(ada.get("/people/audit").text, "html.parser")
    assert len(first.select("tbody tr")) == 100
    older = ada.get(first.select_one("a[rel=next]")["href"])  # type: ignore[index]
    assert "Ada as admin" in older.text
    assert 'rel="next"' not in older.text


@pytest.mark.parametrize(
    "headers", [{"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}]
)
def test_writes_from_other_sites_are_refused_with_cookie_and_with_token(app: FastAPI, headers: dict[str, str]):
    settle(engine_of(app), "Ada", "admin")
    cookie, token = signed_in(app, "Ada"), program(app, token_of(app, "Ada", "admin"))
    for client in (cookie, token):
        refused = client.post("/labels/nothing/hide", headers=headers)
        assert refused.status_code == 403
        assert "comes from another site" in refused.text
    assert cookie.post("/labels/nothing/hide").status_code == 404
    assert token.post("/labels/nothing/hide").status_code == 404


def test_a_write_with_a_cookie_says_where_it_comes_from(app: FastAPI):
    settle(engine_of(app), "Ada", "admin")
    client = signed_in(app, "Ada")
    del client.headers["origin"]
    refused = client.post("/labels/nothing/hide")
    assert refused.status_code == 403
    assert "which site it comes from" in refused.text
    assert client.post("/labels/nothing/hide", headers={"sec-fetch-site": "same-origin"}).status_code == 404


def test_who_knocks_too_often_waits(app: FastAPI):
    settle(engine_of(app), "Kim", "viewer")
    client = browser(app)
    answers = [sign_in(client, f"nobody {number}") for number in range(ALLOWED["sign-in"].amount + 1)]
    assert [answer.status_code for answer in answers] == [401] * ALLOWED["sign-in"].amount + [429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    links = [client.get("/join?invitation=x").status_code for _ in range(ALLOWED["invitation"].amount + 1)]
    assert links == [404] * ALLOWED["invitation"].amount + [429]
    kim = signed_in(app, "Kim")
    form = {"name": "x", "scope": "nothing", "days": "1"}
    made = [kim.post("/account/tokens", data=form).status_code for _ in range(ALLOWED["token"].amount + 1)]
    assert made == [422] * ALLOWED["token"].amount + [429]
    shown = [program(app, "x").get("/jobs").status_code for _ in range(ALLOWED["bearer"].amount + 1)]
    assert shown == [401] * ALLOWED["bearer"].amount + [429]


def test_whoever_is_not_signed_in_reads_where_that_is_let(database_url: str, tmp_path: Path):
    app = accounts_app(database_url, tmp_path, anonymous_reading=True)
    guest = browser(app)
    assert [guest.get(path).status_code for path in ("/", "/labels", "/jobs", "/api/v1/labels")] == [200] * 4
    assert "Sign in" in guest.get("/").text
    assert guest.post("/labels/nothing/vote", data={"value": "1"}).status_code == 401
    assert guest.get("/account").status_code == 401
    assert program(app, "wrong").get("/").status_code == 401
    engine_of(app).dispose()


def test_pages_of_people_hold_no_inline_script_and_escape_names(app: FastAPI):
    settle(engine_of(app), "Ada", "admin")
    ada = signed_in(app, "Ada")
    page = ada.post("/people/invite", data={"name": "<script>alert(1)</script>", "role": "viewer"})
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert" in page.text
    assert "<script>alert" not in ada.get("/people/audit").text


def test_nobody_sends_more_than_is_taken(database_url: str, tmp_path: Path):
    app = accounts_app(database_url, tmp_path, live_body_bytes=1)
    body = b"text=" + b"x" * 2**20
    said = browser(app).post("/labels/nothing/edit", content=body)
    assert (said.status_code, said.text) == (413, "A request has 1,048,577 bytes at most.\n")
    form = {"content-type": "application/x-www-form-urlencoded"}
    unsaid = browser(app).post("/labels/nothing/edit", content=iter([body, body]), headers=form)
    assert unsaid.status_code == 400
    engine_of(app).dispose()
