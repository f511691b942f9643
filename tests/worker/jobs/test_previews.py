"""Previews of a harvest under way: readable after the first shard, never mixed with the whole, gone at its end."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import func, select

from catalog.digest import CatalogDigest, catalog_digest
from catalog.engine import make_engine, make_session, session_scope
from catalog.queries import FeatureQuery
from catalog.records import DictionaryRecord, HarvestRecord
from catalog.revision import migrate
from catalog.schema import ContextBlockRow, ContextSetRow, FeaturePageRow, FeatureRow, HarvestRow, RunRow
from catalog.writer import CatalogWriter
from tests.tiny import ALWAYS, D_SAE, DEAD, TinyWorld
from tests.worker.jobs.compare import everything_of
from tests.worker.jobs.test_harvest_steps import run
from worker.jobs.context import JobContext
from worker.jobs.harvest_finish import finish
from worker.jobs.harvest_prepare import prepare
from worker.jobs.harvest_preview import moments, preview
from worker.jobs.harvest_results import write_results
from worker.jobs.harvest_shard import open_harvest, run_shard, text_tokens
from worker.jobs.ledger import Ledger
from worker.jobs.register import add_dictionary, add_model
from worker.jobs.requests import HarvestRequest
from worker.sae import formats

JOB = "harvest-test"
KINDS = (HarvestRow, RunRow, FeatureRow, FeaturePageRow, ContextSetRow)


def request(world: TinyWorld) -> HarvestRequest:
    return HarvestRequest(dictionaries=("tiny-sae",), corpus=str(world.corpus), shard_tokens=400)


def with_previews(context: JobContext, when: str) -> JobContext:
    return replace(context, settings=replace(context.settings, previews=when))


def begin(context: JobContext, world: TinyWorld, job_id: str = JOB, **more: object) -> tuple[str, int]:
    context.ledger.queued(job_id, kind="harvest", title="test")
    prepared = prepare(context, job_id, replace(request(world), **more))
    return prepared["harvest"], prepared["shards"]


def shown(context: JobContext) -> HarvestRecord | None:
    with context.ledger.reading() as reader:
        return reader.dictionary("tiny-sae").harvest


def rows(context: JobContext) -> dict[str, int]:
    with session_scope(context.ledger.engine) as session:
        counts = {kind.__tablename__: session.scalar(select(func.count()).select_from(kind)) for kind in KINDS}
    return {name: count or 0 for name, count in counts.items()}


def digest(context: JobContext) -> CatalogDigest:
    with session_scope(context.ledger.engine) as session:
        return catalog_digest(session)


def test_after_the_first_shard_every_page_can_be_read_and_says_what_it_is_from(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    context = with_previews(context, "always")
    harvest_id, n_shards = begin(context, tiny_world)
    assert n_shards >= 4
    assert preview(context, JOB, harvest_id, {}) == {}
    run_shard(context, JOB, harvest_id, 0)
    assert preview(context, JOB, harvest_id, {})["previews"] == 1
    opened = open_harvest(context, JOB, harvest_id)
    tokens = text_tokens(opened, [0])
    found = shown(context)
    assert found is not None
    assert (found.status, found.tokens) == ("preview", tokens)
    assert found.so_far == {
        "harvest": harvest_id,
        "shards": 1,
        "of_shards": n_shards,
        "tokens": tokens,
        "of_tokens": opened.plan.corpus_tokens,
    }
    with context.ledger.reading() as reader:
        always, dead = reader.feature("tiny-sae", ALWAYS), reader.feature("tiny-sae", DEAD)
        listed = reader.features(FeatureQuery(dictionary="tiny-sae", limit=100))
        pages = [reader.feature_page_data("tiny-sae", index) for index in range(D_SAE)]
        summary = reader.summary(found.id, "tiny-sae")
    last = opened.plan.shards[1]
    assert always.tokens_fired == tokens
    assert dead.tokens_fired == 0
    assert {feature.index for feature in listed.features} == set(range(D_SAE))
    assert max(max(page.contexts, default=0) for page in pages) < last
    assert summary is not None
    assert summary.n_features == D_SAE


def test_a_later_preview_takes_the_place_of_an_earlier_one_and_the_whole_that_of_both_without_a_trace(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld, tmp_path
):
    plain_context = _another_catalog(context, tiny_world, tmp_path)
    run(plain_context, request(tiny_world))
    context = with_previews(context, "always")
    harvest_id, n_shards = begin(context, tiny_world)
    spent: dict = {}
    for shard in range(n_shards):
        run_shard(context, JOB, harvest_id, shard)
        if shard < 2:
            spent = preview(context, JOB, harvest_id, spent)
    found = shown(context)
    assert found is not None
    assert found.so_far is not None
    assert found.so_far["shards"] == 2
    assert rows(context) == {"harvest": 2, "run": 2, "feature": D_SAE, "feature_page": D_SAE, "context_set": 2}
    finish(context, JOB, harvest_id)
    whole = shown(context)
    assert whole is not None
    assert (whole.id, whole.status, whole.so_far) == (harvest_id, "complete", None)
    assert rows(context) == {"harvest": 1, "run": 1, "feature": D_SAE, "feature_page": D_SAE, "context_set": 1}
    assert digest(context) == digest(plain_context)


def _another_catalog(context: JobContext, world: TinyWorld, tmp_path) -> JobContext:
    """A catalog of SQLite with the same model and dictionary, and a home of its own."""
    engine = make_engine(f"sqlite:///{tmp_path / 'another.sqlite'}")
    migrate(engine)
    catalog = replace(context.settings.catalog, home=tmp_path / "another")
    other = JobContext(replace(context.settings, catalog=catalog, previews="never"), Ledger(engine), context.models)
    model = context.models.get(str(world.model))
    slug = add_model(other.ledger, model, name="tiny").slug
    dictionary = formats.load(world.sae)
    add_dictionary(other.ledger, model, dictionary, source=str(world.sae), model_slug=slug, name="tiny sae")
    return other


def test_a_preview_that_was_cut_short_is_never_shown_and_goes_with_the_next(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld, monkeypatch: pytest.MonkeyPatch
):
    context = with_previews(context, "always")
    harvest_id, _ = begin(context, tiny_world)
    run_shard(context, JOB, harvest_id, 0)
    with monkeypatch.context() as patched:
        patched.setattr("worker.jobs.harvest_preview.write_results", _cut_short(write_results))
        with pytest.raises(KeyboardInterrupt):
            preview(context, JOB, harvest_id, {})
    found = shown(context)
    assert found is not None
    assert found.id == harvest_id
    run_shard(context, JOB, harvest_id, 1)
    preview(context, JOB, harvest_id, {})
    assert rows(context)["harvest"] == 2


def test_a_preview_that_another_worker_has_overtaken_is_given_up_and_the_harvest_goes_on(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld, monkeypatch: pytest.MonkeyPatch
):
    context = with_previews(context, "always")
    harvest_id, n_shards = begin(context, tiny_world)

    def overtaken(of: JobContext, preview_id: str, *args: object, **more: object) -> None:
        with make_session(of.ledger.engine, write=True) as session:
            assert CatalogWriter(session).remove_harvest(preview_id)
        write_results(of, preview_id, *args, **more)

    run_shard(context, JOB, harvest_id, 0)
    with monkeypatch.context() as patched:
        patched.setattr("worker.jobs.harvest_preview.write_results", overtaken)
        assert preview(context, JOB, harvest_id, {})["previews"] == 1
    found = shown(context)
    assert found is not None
    assert found.id == harvest_id
    for shard in range(1, n_shards):
        run_shard(context, JOB, harvest_id, shard)
    finish(context, JOB, harvest_id)
    found = shown(context)
    assert found is not None
    assert (found.id, found.status) == (harvest_id, "complete")


def test_previews_that_lag_behind_the_shards_are_left_out(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    context = with_previews(context, "always")
    harvest_id, n_shards = begin(context, tiny_world)
    for shard in (0, 1):
        run_shard(context, JOB, harvest_id, shard)
    first = preview(context, JOB, harvest_id, {})
    assert (first["previews"], first["shards"]) == (1, 2)
    run_shard(context, JOB, harvest_id, 2)
    assert preview(context, JOB, harvest_id, first) == first
    for shard in range(3, n_shards):
        run_shard(context, JOB, harvest_id, shard)
    assert preview(context, JOB, harvest_id, first) == first


def _cut_short(write: Callable[..., None]) -> Callable[..., None]:
    def interrupted(*args: object, **more: object) -> None:
        write(*args, **more)
        raise KeyboardInterrupt

    return interrupted


def test_a_dictionary_with_a_complete_harvest_is_not_previewed_and_shows_it_until_the_new_one_is_complete(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    first = run(context, request(tiny_world), "harvest-1")
    context = with_previews(context, "always")
    before = everything_of(context.ledger, "tiny-sae", first)
    second, n_shards = begin(context, tiny_world, "harvest-2", seed=3)
    for shard in range(n_shards):
        run_shard(context, "harvest-2", second, shard)
        assert preview(context, "harvest-2", second, {}) == {}
        found = shown(context)
        assert found is not None
        assert found.id == first
        assert everything_of(context.ledger, "tiny-sae", found.id) == before
    finish(context, "harvest-2", second)
    found = shown(context)
    assert found is not None
    assert found.id == second
    with context.ledger.reading() as reader:
        assert reader.harvest(first).status == "replaced"
        assert reader.feature_page_data("tiny-sae", ALWAYS, first).harvest.id == first
    assert everything_of(context.ledger, "tiny-sae", first) == before


def test_a_harvest_that_stops_leaves_its_preview_which_says_so(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    context = with_previews(context, "always")
    harvest_id, _ = begin(context, tiny_world)
    run_shard(context, JOB, harvest_id, 0)
    preview(context, JOB, harvest_id, {})
    context.ledger.ended(JOB, "cancelled")
    found = shown(context)
    assert found is not None
    assert found.so_far is not None
    assert (found.status, found.so_far["stopped"]) == ("preview", "cancelled")
    again, n_shards = begin(context, tiny_world, "harvest-2")
    for shard in range(n_shards):
        run_shard(context, "harvest-2", again, shard)
    finish(context, "harvest-2", again)
    assert rows(context)["context_set"] == 1


def test_previews_are_made_after_one_shard_and_at_each_doubling_and_not_where_they_cost_much(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    assert [sorted(moments(n)) for n in (1, 2, 3, 8, 9)] == [[], [1], [1, 2], [1, 2, 4], [1, 2, 4, 8]]
    harvest_id, _ = begin(context, tiny_world)
    run_shard(context, JOB, harvest_id, 0)
    for when, created_at in (("auto", "2999-01-01T00:00:00.000+00:00"), ("never", "2001-01-01T00:00:00.000+00:00")):
        with session_scope(context.ledger.engine, write=True) as session:
            session.query(HarvestRow).update({"created_at": created_at})
        assert preview(with_previews(context, when), JOB, harvest_id, {}) == {}
    assert preview(with_previews(context, "auto"), JOB, harvest_id, {})["previews"] == 1
    costly = {"previews": 1, "seconds": 1e9, "last": 1e9}
    assert preview(with_previews(context, "auto"), JOB, harvest_id, costly) == costly


def test_removing_a_harvest_leaves_the_contexts_that_others_use(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    first = run(context, request(tiny_world), "harvest-1")
    second = run(context, replace(request(tiny_world), seed=1), "harvest-2")
    kept = everything_of(context.ledger, "tiny-sae", second)
    with make_session(context.ledger.engine, write=True) as session:
        writer = CatalogWriter(session)
        assert writer.remove_harvest(first)
        assert not writer.remove_harvest(first)
    assert everything_of(context.ledger, "tiny-sae", second) == kept
    with context.ledger.reading() as reader:
        for index in range(D_SAE):
            assert np.all(np.isfinite(reader.feature_page_data("tiny-sae", index).feature.peak))
    with make_session(context.ledger.engine, write=True) as session:
        CatalogWriter(session).remove_harvest(second)
    assert set(rows(context).values()) == {0}
    with session_scope(context.ledger.engine) as session:
        assert session.scalar(select(func.count()).select_from(ContextBlockRow)) == 0
