"""Pages of a harvest under way: before its first shard, as a preview, when it stops, and when it is whole."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.main import create_app
from catalog.engine import make_engine, make_session, session_scope
from catalog.records import SO_FAR
from catalog.writer import CatalogWriter
from tests.app.conftest import BASE, settings_for
from tests.app.reading import soup_of, text_of
from tests.app.stored import batch_of, store
from tests.app.synthetic import SyntheticHarvest

SLUG = "not-yet"
WHOLE, PREVIEW = "whole", "preview-whole-1"


@pytest.fixture
def engine(database_url: str, harvested: SyntheticHarvest) -> Iterator[Engine]:
    """The synthetic catalog, in which a harvest of its other dictionary has just begun."""
    engine = make_engine(database_url)
    store(engine, harvested)
    begun = replace(
        harvested.harvest,
        id=WHOLE,
        dictionaries=(SLUG,),
        status="running",
        finished_at=None,
        tokens=8 * harvested.harvest.tokens,
        tokens_done=harvested.harvest.tokens,
    )
    with session_scope(engine, write=True) as session:
        CatalogWriter(session).add_harvest(begun)
    yield engine
    engine.dispose()


@pytest.fixture
def client(engine: Engine, database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(create_app(settings_for(database_url, tmp_path)), base_url=BASE) as client:
        yield client


def add_preview(engine: Engine, harvested: SyntheticHarvest) -> None:
    so_far = {"harvest": WHOLE, "shards": 1, "of_shards": 8, "tokens": 131_072, "of_tokens": 1_000_000}
    row = replace(
        harvested.harvest,
        id=PREVIEW,
        dictionaries=(SLUG,),
        status="queued",
        provenance={**harvested.harvest.provenance, SO_FAR: so_far},
    )
    with make_session(engine, write=True) as session:
        writer = CatalogWriter(session)
        writer.add_harvest(row)
        names = {context.document_id: context.document for context in harvested.contexts}
        writer.add_contexts(PREVIEW, [batch_of(harvested.contexts)], document_names=names)
        writer.write_features(PREVIEW, SLUG, harvested.features)
        writer.show_preview(PREVIEW)
        session.commit()


def notice(client: TestClient, path: str) -> str:
    return " ".join(text_of(found) for found in soup_of(client, path).select("[role=status]"))


def test_before_anything_can_be_shown_the_page_says_how_far_the_harvest_is(client: TestClient, engine: Engine):
    told = notice(client, f"/d/{SLUG}")
    assert "is being harvested: 12 % of" in told
    page = soup_of(client, f"/d/{SLUG}")
    assert "No feature fits this filter" not in text_of(page)
    assert not page.select("form[action*=not-yet]")
    answer = client.get(f"/d/{SLUG}/3")
    assert answer.status_code == 404
    assert "has not written it yet" in answer.text


def test_a_preview_is_shown_everywhere_with_what_it_is_from(
    client: TestClient, engine: Engine, harvested: SyntheticHarvest
):
    add_preview(engine, harvested)
    said = "Preview. From 1 of 8 shards, 131,072 of 1,000,000 tokens. The harvest goes on; numbers will change."
    for path in (f"/d/{SLUG}", f"/d/{SLUG}/3", f"/d/{SLUG}/3?embed"):
        assert notice(client, path).startswith(said), path
    assert "preview from 1 of 8 shards" in text_of(soup_of(client, "/"))
    assert len(soup_of(client, f"/d/{SLUG}").select(".features tbody tr")) == len(harvested.features)
    feature = client.get(f"/api/v1/dictionaries/{SLUG}/features/3").json()
    assert feature["provenance"]["harvest"]["status"] == "preview"
    listed = {each["slug"]: each["harvest"] for each in client.get("/api/v1/dictionaries").json()["dictionaries"]}
    assert listed[SLUG]["so_far"]["of_shards"] == 8
    assert listed[SLUG]["tokens"] == harvested.harvest.tokens
    assert listed["tiny-mid"]["so_far"] is None
    assert "so far" not in text_of(soup_of(client, f"/d/{SLUG}/3").select_one("#provenance"))


def test_the_whole_takes_its_place_at_once_and_says_nothing_of_previews(
    client: TestClient, engine: Engine, harvested: SyntheticHarvest
):
    add_preview(engine, harvested)
    assert notice(client, f"/d/{SLUG}/3")
    with make_session(engine, write=True) as session:
        writer = CatalogWriter(session)
        writer.add_contexts(
            WHOLE, [batch_of(harvested.contexts)], document_names={c.document_id: "x" for c in harvested.contexts}
        )
        writer.write_features(WHOLE, SLUG, harvested.features)
        writer.finish_harvest(WHOLE)
        session.commit()
        writer.remove_outdated_previews(WHOLE)
    for path in (f"/d/{SLUG}", f"/d/{SLUG}/3"):
        assert notice(client, path) == ""
    assert client.get(f"/api/v1/dictionaries/{SLUG}/features/3").json()["provenance"]["harvest"]["id"] == WHOLE


def test_a_harvest_that_stopped_says_so_on_its_preview(client: TestClient, engine: Engine, harvested: SyntheticHarvest):
    add_preview(engine, harvested)
    with session_scope(engine, write=True) as session:
        CatalogWriter(session).finish_harvest(WHOLE, status="cancelled")
    assert "The harvest was cancelled there." in notice(client, f"/d/{SLUG}/3")
