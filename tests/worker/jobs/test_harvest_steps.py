"""The steps of a harvest, run in this process one after the other, against both databases."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from catalog.queries import FeatureQuery
from catalog.records import DictionaryRecord
from tests.tiny import ALWAYS, D_SAE, DEAD, N_CTX, TinyWorld, tiny_dictionary
from tests.worker.jobs.compare import everything_of
from worker.corpus.errors import CorpusError
from worker.jobs.context import JobContext
from worker.jobs.errors import JobCancelled, JobError
from worker.jobs.harvest_finish import finish
from worker.jobs.harvest_prepare import prepare
from worker.jobs.harvest_shard import run_shard
from worker.jobs.register import add_dictionary
from worker.jobs.requests import HarvestRequest
from worker.sae.conventions import Conventions

JOB = "harvest-test"


def request(world: TinyWorld, **more: object) -> HarvestRequest:
    return HarvestRequest(dictionaries=("tiny-sae",), corpus=str(world.corpus), shard_tokens=900, **more)


def run(context: JobContext, asked: HarvestRequest, job_id: str = JOB) -> str:
    context.ledger.queued(job_id, kind="harvest", title="test")
    prepared = prepare(context, job_id, asked)
    if not prepared["done"]:
        for shard in reversed(range(prepared["shards"])):
            run_shard(context, job_id, prepared["harvest"], shard)
        finish(context, job_id, prepared["harvest"])
    return prepared["harvest"]


def test_every_feature_gets_a_record_and_the_hand_set_ones_are_as_set(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    harvest_id = run(context, request(tiny_world))
    with context.ledger.reading() as reader:
        harvest, record = reader.harvest(harvest_id), reader.dictionary("tiny-sae")
        listed = reader.features(FeatureQuery(dictionary="tiny-sae", limit=100))
        always, dead = reader.feature("tiny-sae", ALWAYS), reader.feature("tiny-sae", DEAD)
        summary = reader.summary(harvest_id, "tiny-sae")
        counts = reader.token_counts(harvest_id)
    assert harvest.status == "complete"
    assert harvest.tokens_done == harvest.tokens
    assert record.harvest is not None
    assert record.harvest.id == harvest_id
    assert len(listed.features) == D_SAE
    assert always.tokens_fired == harvest.tokens == counts.sum()
    assert (always.peak, always.activation_sum) == (1.0, pytest.approx(harvest.tokens))
    assert (dead.tokens_fired, dead.peak, len(dead.top.context_ids)) == (0, 0.0, 0)
    assert summary is not None
    assert summary.n_dead >= 1
    assert record.quality is not None
    assert record.quality["fvu"] > 0


def test_stored_contexts_are_the_texts_of_the_corpus(context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld):
    harvest_id = run(context, request(tiny_world))
    with context.ledger.reading() as reader:
        ids = reader.feature("tiny-sae", ALWAYS).top.context_ids
        contexts = reader.contexts(harvest_id, ids.tolist())
        model = reader.model("tiny")
        vocabulary = reader.vocabulary(model.tokenizer_hash)
    for found in contexts.values():
        assert len(found.token_ids) <= N_CTX
        text = b"".join(vocabulary[int(token)] for token in found.token_ids[1:]).decode(errors="ignore")
        whole = (tiny_world.corpus / Path(found.document).name).read_text(encoding="utf-8")
        assert text.strip("\ufffd") in whole


def test_asking_again_computes_nothing_and_insisting_computes_the_same(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    first = run(context, request(tiny_world), "harvest-1")
    before = everything_of(context.ledger, "tiny-sae", first)
    assert run(context, request(tiny_world), "harvest-2") == first
    again = run(context, request(tiny_world, again=True), "harvest-3")
    assert again == f"{first}-2"
    assert everything_of(context.ledger, "tiny-sae", again) == before


def test_every_step_may_run_twice(context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld):
    context.ledger.queued(JOB, kind="harvest", title="test")
    prepared = prepare(context, JOB, request(tiny_world))
    assert prepare(context, JOB, request(tiny_world)) == prepared
    for shard in [0, 0, *range(prepared["shards"])]:
        run_shard(context, JOB, prepared["harvest"], shard)
    finish(context, JOB, prepared["harvest"])
    before = everything_of(context.ledger, "tiny-sae", prepared["harvest"])
    finish(context, JOB, prepared["harvest"])
    assert everything_of(context.ledger, "tiny-sae", prepared["harvest"]) == before
    assert not (context.home / "harvests" / prepared["harvest"]).exists()


def test_dictionaries_that_cannot_share_a_pass_are_refused_and_grouped(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    model = context.models.get(str(tiny_world.model))
    short = replace(tiny_dictionary(), conventions=Conventions(prepend_bos=True, n_ctx=16))
    add_dictionary(context.ledger, model, short, source="x", model_slug="tiny", name="short")
    context.ledger.queued(JOB, kind="harvest", title="test")
    with pytest.raises(JobError, match="each group by itself: tiny-sae; short"):
        prepare(context, JOB, replace(request(tiny_world), dictionaries=("tiny-sae", "short")))
    with context.ledger.reading() as reader:
        assert reader.harvests() == []


def test_an_empty_corpus_leaves_nothing_behind(context: JobContext, sae: DictionaryRecord, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "nothing.txt").write_text("")
    context.ledger.queued(JOB, kind="harvest", title="test")
    with pytest.raises(CorpusError, match="empty"):
        prepare(context, JOB, HarvestRequest(dictionaries=("tiny-sae",), corpus=str(tmp_path / "empty")))
    with context.ledger.reading() as reader:
        assert reader.harvests() == []
        assert reader.corpora() == []


def test_a_stopped_job_stops_at_its_next_shard(context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld):
    context.ledger.queued(JOB, kind="harvest", title="test")
    prepared = prepare(context, JOB, request(tiny_world))
    context.ledger.ended(JOB, "cancelled")
    with pytest.raises(JobCancelled, match="is cancelled"):
        run_shard(context, JOB, prepared["harvest"], 0)
    with context.ledger.reading() as reader:
        assert reader.harvest(prepared["harvest"]).status == "cancelled"


def test_a_harvest_taken_up_by_another_job_goes_on_from_its_finished_shards(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    context.ledger.queued("harvest-1", kind="harvest", title="test")
    prepared = prepare(context, "harvest-1", request(tiny_world))
    run_shard(context, "harvest-1", prepared["harvest"], 0)
    context.ledger.ended("harvest-1", "failed", error="no space")
    shard = context.home / "harvests" / prepared["harvest"] / "shard-00000.npz"
    before = shard.stat().st_mtime_ns
    context.ledger.queued("harvest-2", kind="harvest", title="test")
    second = prepare(context, "harvest-2", request(tiny_world))
    assert second["harvest"] == f"{prepared['harvest']}-2"
    run_shard(context, "harvest-2", second["harvest"], 0)
    assert shard.stat().st_mtime_ns == before
    assert np.all([run_shard(context, "harvest-2", second["harvest"], n) for n in range(second["shards"])])
    assert finish(context, "harvest-2", second["harvest"]) == {"harvest": second["harvest"]}
