"""Growing a finished harvest by more of its corpus and by another one, against both databases."""

from dataclasses import replace
from pathlib import Path

import pytest

from catalog.records import DictionaryRecord
from tests.tiny import TinyWorld, tiny_dictionary, write_corpus
from tests.worker.jobs.compare import everything_of
from tests.worker.jobs.test_harvest_steps import run
from worker.corpus.tokenized import Corpus
from worker.jobs.context import JobContext
from worker.jobs.corpora import corpus_of
from worker.jobs.errors import JobError
from worker.jobs.growing import Addition, growth_request
from worker.jobs.harvest_finish import finish
from worker.jobs.harvest_prepare import prepare
from worker.jobs.harvest_shard import run_shard
from worker.jobs.kept import drop, kept_bytes
from worker.jobs.register import add_dictionary
from worker.jobs.requests import HarvestRequest
from worker.sae.formats import save

FIRST_TOKENS = 3000


def asked(world: TinyWorld, **more: object) -> HarvestRequest:
    return HarvestRequest(dictionaries=("tiny-sae",), corpus=str(world.corpus), shard_tokens=900, **more)


def growth(context: JobContext, base: str, addition: Addition, *dictionaries: str) -> HarvestRequest:
    with context.ledger.reading() as reader:
        return growth_request(reader, reader.harvest(base), dictionaries or ("tiny-sae",), addition)


@pytest.fixture
def other_texts(tmp_path: Path) -> Path:
    """Another folder of texts; three of them are in the first one too."""
    write_corpus(tmp_path / "others", documents=9)
    (tmp_path / "others" / "new.txt").write_text("import this and that " * 60)
    return tmp_path / "others"


def test_more_tokens_of_the_same_corpus_give_what_one_harvest_of_all_gives(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    first = run(context, asked(tiny_world, max_tokens=FIRST_TOKENS), "harvest-1")
    request = growth(context, first, Addition(tokens=2500))
    with context.ledger.reading() as reader:
        seen = reader.harvest(first).plan["harvest"]["corpus_tokens"]
    assert FIRST_TOKENS <= seen < request.max_tokens == seen + 2500
    grown = run(context, request, "harvest-2")
    at_once = run(context, asked(tiny_world, max_tokens=seen + 2500, again=True), "harvest-3")
    assert grown != at_once
    assert everything_of(context.ledger, "tiny-sae", grown) == everything_of(context.ledger, "tiny-sae", at_once)
    with context.ledger.reading() as reader:
        one, other = reader.harvest(grown), reader.harvest(at_once)
    assert (one.tokens, one.n_contexts, one.n_documents) == (other.tokens, other.n_contexts, other.n_documents)
    assert one.plan["harvest"]["shards"][0] == reader_contexts(context, first)


def reader_contexts(context: JobContext, harvest_id: str) -> int:
    with context.ledger.reading() as reader:
        return reader.harvest(harvest_id).n_contexts


def test_another_corpus_behind_gives_what_one_harvest_of_both_gives(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld, other_texts: Path
):
    first = run(context, asked(tiny_world), "harvest-1")
    grown = run(context, growth(context, first, Addition(corpora=(str(other_texts),))), "harvest-2")
    joined = ({"corpus": str(other_texts), "behind": None},)
    at_once = run(context, asked(tiny_world, joined=joined, again=True), "harvest-3")
    assert everything_of(context.ledger, "tiny-sae", grown) == everything_of(context.ledger, "tiny-sae", at_once)
    with context.ledger.reading() as reader:
        corpus = reader.corpus(reader.harvest(grown).corpus)
        before = reader.corpus(reader.harvest(first).corpus)
    assert corpus.name == "corpus + others"
    # Eight of the nine other documents are in the first corpus word for word.
    assert before.n_documents < corpus.n_documents <= before.n_documents + 2


def test_what_has_grown_can_grow_again_and_says_how_it_came_about(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld, other_texts: Path
):
    first = run(context, asked(tiny_world, max_tokens=FIRST_TOKENS), "harvest-1")
    second = run(context, growth(context, first, Addition(tokens=1000)), "harvest-2")
    third = run(context, growth(context, second, Addition(corpora=(str(other_texts),))), "harvest-3")
    with context.ledger.reading() as reader:
        harvests = {each.id: each for each in reader.harvests()}
        assert reader.dictionary("tiny-sae").harvest.id == third
    assert [harvests[each].status for each in (first, second, third)] == ["replaced", "replaced", "complete"]
    came = harvests[third].provenance["grown_from"]
    assert [each["harvest"] for each in came] == [first, second]
    assert came[0]["tokens"] < came[1]["tokens"] < harvests[third].plan["harvest"]["corpus_tokens"]
    assert [kept_bytes(context.store, each) is None for each in (first, second, third)] == [True, True, False]


def test_the_harvest_that_grows_stays_readable_until_the_grown_one_is_complete(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    first = run(context, asked(tiny_world, max_tokens=FIRST_TOKENS), "harvest-1")
    before = everything_of(context.ledger, "tiny-sae", first)
    context.ledger.queued("harvest-2", kind="harvest", title="test")
    prepared = prepare(context, "harvest-2", growth(context, first, Addition(tokens=2000)))
    for shard in range(prepared["shards"]):
        run_shard(context, "harvest-2", prepared["harvest"], shard)
        with context.ledger.reading() as reader:
            assert reader.dictionary("tiny-sae").harvest.id == first
    finish(context, "harvest-2", prepared["harvest"])
    with context.ledger.reading() as reader:
        assert reader.dictionary("tiny-sae").harvest.id == prepared["harvest"]
    assert everything_of(context.ledger, "tiny-sae", first) == before


def test_progress_begins_at_what_was_seen_and_only_new_text_is_gone_through(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    first = run(context, asked(tiny_world, max_tokens=FIRST_TOKENS), "harvest-1")
    context.ledger.queued("harvest-2", kind="harvest", title="test")
    prepared = prepare(context, "harvest-2", growth(context, first, Addition(tokens=500)))
    assert prepared["shards"] == 1
    run_shard(context, "harvest-2", prepared["harvest"], 0)
    with context.ledger.reading() as reader:
        job, harvest = reader.job("harvest-2"), reader.harvest(prepared["harvest"])
    assert job.done == job.total == harvest.plan["harvest"]["corpus_tokens"]


def test_one_dictionary_of_several_can_grow_alone(context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld):
    model = context.models.get(str(tiny_world.model))
    other = tiny_dictionary(seed=3)
    path = context.home / "other"
    save(other, path)
    add_dictionary(context.ledger, model, other, source=str(path), model_slug="tiny", name="other sae")
    both = replace(asked(tiny_world, max_tokens=FIRST_TOKENS), dictionaries=("tiny-sae", "other-sae"))
    first = run(context, both, "harvest-1")
    grown = run(context, growth(context, first, Addition(tokens=1500), "other-sae"), "harvest-2")
    with context.ledger.reading() as reader:
        total = reader.harvest(grown).plan["request"]["max_tokens"]
        # It still has the only harvest of the other dictionary.
        assert reader.harvest(first).status == "complete"
    alone = replace(asked(tiny_world, max_tokens=total, again=True), dictionaries=("other-sae",))
    at_once = run(context, alone, "harvest-3")
    assert everything_of(context.ledger, "other-sae", grown) == everything_of(context.ledger, "other-sae", at_once)


def test_where_the_kept_state_is_gone_a_fresh_harvest_is_offered(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    first = run(context, asked(tiny_world, max_tokens=FIRST_TOKENS), "harvest-1")
    drop(context.store, first)
    context.ledger.queued("harvest-2", kind="harvest", title="test")
    with pytest.raises(JobError, match=r"nothing is kept of it.*Harvest the longer corpus anew"):
        prepare(context, "harvest-2", growth(context, first, Addition(tokens=500)))
    unkept = JobContext(replace(context.settings, keep_state=False), context.ledger, context.models)
    again = run(unkept, asked(tiny_world, max_tokens=FIRST_TOKENS, again=True), "harvest-3")
    assert kept_bytes(context.store, again) is None


def test_a_corpus_that_is_used_up_and_one_that_has_changed_are_refused(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld, tmp_path: Path
):
    texts = tmp_path / "texts"
    write_corpus(texts)
    request = replace(asked(tiny_world), corpus=str(texts))
    first = run(context, request, "harvest-1")
    context.ledger.queued("harvest-2", kind="harvest", title="test")
    with pytest.raises(Exception, match="nothing to add; take more of it, or add another corpus"):
        prepare(context, "harvest-2", growth(context, first, Addition(tokens=500)))
    changed = sorted(texts.iterdir())[0]
    changed.write_text("something else" + changed.read_text())
    with pytest.raises(JobError, match="no longer begins with the"):
        prepare(context, "harvest-2", growth(context, first, Addition(tokens=500)))


def test_a_corpus_of_several_sources_reads_them_in_turn_and_cuts_each_where_told(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld, other_texts: Path
):
    tokenizer = context.models.get(str(tiny_world.model)).tokenizer

    def built(*parts: dict[str, object]) -> Corpus:
        stages = context.stages("none")
        return corpus_of(context.store, str(tiny_world.corpus), tokenizer, stages=stages, joined=parts)

    context.ledger.queued("none", kind="corpus", title="test")
    whole = corpus_of(context.store, str(tiny_world.corpus), tokenizer, stages=context.stages("none"))
    cut = built({"corpus": str(other_texts), "behind": 2})
    assert list(cut.document_names[:2]) == list(whole.document_names[:2])
    assert all(name.startswith("others/") for name in cut.document_names[2:])
    assert cut.hash_of_first(2) == whole.hash_of_first(2)
    assert whole.hash_of_first(whole.n_documents) == whole.hash
