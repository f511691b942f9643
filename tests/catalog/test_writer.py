"""Writing: what is there already stays, what is wrong is refused, and nobody waits long."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import Engine, text

from catalog.clock import seconds_ago
from catalog.engine import make_session, session_scope
from catalog.errors import BadRecord, CatalogError, NotFound
from catalog.queries import FeatureQuery
from catalog.reader import CatalogReader
from catalog.records import POSITION_TOKENS, DictionarySummary, JobRecord, WorkerRecord
from catalog.tokens import Vocabulary
from catalog.writer import CatalogWriter
from catalog.writer.bulk import LONGEST_HOLD_S, ShortTransactions
from catalog.writer.features import FeatureWriter
from tests.catalog.labelling import say
from tests.catalog.random_features import (
    D_SAE,
    VOCABULARY,
    SmallCatalog,
    begin,
    context_batch,
    corpus_record,
    dictionary_record,
    feature,
    features,
    harvest_record,
    model_record,
)

NAMES = {number: f"document {number}" for number in range(20)}
JOB = JobRecord(
    id="job-1",
    kind="harvest",
    title="Harvest of tiny",
    status="running",
    done=3,
    total=10,
    unit="tokens",
    rate=1.5,
    seconds_left=None,
    message="",
    error=None,
    created_at="2026-01-01T00:00:00.000000+00:00",
    started_at=None,
    finished_at=None,
)
WORKER = WorkerRecord("worker-1", "host", 12, "0.1.0", "cpu", "", alive=False)


def test_things_known_by_hash_are_added_once_and_keep_their_slug(engine: Engine):
    with session_scope(engine, write=True) as session:
        writer = CatalogWriter(session)
        begin(writer)
        begin(writer)
        assert writer.add_model(model_record(slug="another name")) == "tiny"
        assert writer.add_model(model_record(weights_hash="other")) == "tiny-2"
        assert writer.add_dictionary(dictionary_record(slug="another name")) == "tiny-sae"
        assert writer.add_dictionary(dictionary_record(slug="", name="Tiny SAE", hash="other")) == "tiny-sae-2"
        assert writer.add_corpus(corpus_record(slug="another name")) == "stories"
    with session_scope(engine) as session:
        reader = CatalogReader(session)
        assert [record.slug for record in reader.models()] == ["tiny", "tiny-2"]
        assert reader.dictionary("tiny-sae") == replace(dictionary_record(), harvest=reader.harvest("first"))
        assert reader.model("tiny") == model_record()
        assert reader.corpus("stories") == corpus_record()
        assert reader.vocabulary("tokenizer-hash")[5] == VOCABULARY[5]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda reader: reader.dictionary("tiny-sea"), r"dictionary 'tiny-sea'\. Did you mean 'tiny-sae'"),
        (lambda reader: reader.model("tini"), "Did you mean 'tiny'"),
        (lambda reader: reader.corpus("story"), "Did you mean 'stories'"),
        (lambda reader: reader.harvest("frist"), "Did you mean 'first'"),
        (
            lambda reader: reader.feature("tiny-sae", D_SAE),
            r"no feature '40'\. Dictionary 'tiny-sae' has features 0 to 39",
        ),
        (lambda reader: reader.feature("tiny-sae", 3, "frist"), "no harvest of dictionary 'tiny-sae' named 'frist'"),
        (lambda reader: reader.features(FeatureQuery("nothing")), "no dictionary 'nothing'"),
        (lambda reader: reader.contexts("first", [10**6]), "no context of harvest 'first' numbered '1000000'"),
        (lambda reader: reader.contexts("frist", [1]), "Did you mean 'first'"),
        (lambda reader: reader.job("nothing"), "no job 'nothing'"),
        (lambda reader: reader.vocabulary("nothing"), "add-model"),
    ],
)
def test_what_is_not_there_is_named_with_the_nearest(catalog: SmallCatalog, ask, message: str):
    with session_scope(catalog.engine) as session, pytest.raises(NotFound, match=message):
        ask(CatalogReader(session))


def test_a_dictionary_without_a_harvest_has_an_empty_list_and_says_so_of_features(engine: Engine):
    with session_scope(engine, write=True) as session:
        writer = CatalogWriter(session)
        writer.add_model(model_record())
        writer.add_dictionary(dictionary_record())
    with session_scope(engine) as session:
        reader = CatalogReader(session)
        assert reader.features(FeatureQuery("tiny-sae")).features == ()
        assert reader.dictionary("tiny-sae").harvest is None
        assert reader.random_live("tiny-sae", 1) is None
        with pytest.raises(NotFound, match="has not been harvested yet"):
            reader.feature("tiny-sae", 3)


def test_an_unfinished_harvest_is_shown_until_a_complete_one_is_there_and_replaced_ones_stay_readable(engine: Engine):
    with session_scope(engine, write=True) as session:
        writer = CatalogWriter(session)
        begin(writer)
        writer.write_features("first", "tiny-sae", [feature(1)])
    assert shown(engine) == "first"
    with session_scope(engine, write=True) as session:
        writer = CatalogWriter(session)
        writer.finish_harvest("first", tokens=2_500)
        writer.add_harvest(harvest_record(id="second"))
        writer.update_progress("second", tokens_done=100)
    assert shown(engine) == "first"
    with session_scope(engine, write=True) as session:
        writer = CatalogWriter(session)
        writer.write_features("second", "tiny-sae", [feature(1, seed=9)])
        writer.finish_harvest("second")
    assert shown(engine) == "second"
    with session_scope(engine) as session:
        reader = CatalogReader(session)
        first = reader.harvest("first")
        assert (first.status, first.tokens, first.tokens_done) == ("replaced", 2_500, 2_500)
        assert reader.feature("tiny-sae", 1, "first").peak == feature(1).peak
        assert reader.feature("tiny-sae", 1).peak == feature(1, seed=9).peak
        assert [harvest.id for harvest in reader.harvests("tiny-sae")] == ["second", "first"]


def test_a_failed_harvest_is_not_shown(engine: Engine):
    with session_scope(engine, write=True) as session:
        begin(CatalogWriter(session))
        CatalogWriter(session).finish_harvest("first", status="failed", error="No room left.")
    assert shown(engine) is None
    with session_scope(engine) as session:
        assert CatalogReader(session).harvest("first").error == "No room left."


def shown(engine: Engine) -> str | None:
    with session_scope(engine) as session:
        harvest = CatalogReader(session).dictionary("tiny-sae").harvest
    return None if harvest is None else harvest.id


def test_features_written_twice_are_there_once_as_they_were_written_last(own_catalog: SmallCatalog):
    changed = [replace(feature(index, seed=index + 500), index=index) for index in range(10)]
    told: list[int] = []
    with session_scope(own_catalog.engine, write=True) as session:
        assert CatalogWriter(session).write_features("first", "tiny-sae", iter(changed), on_progress=told.append) == 10
    with session_scope(own_catalog.engine) as session:
        reader = CatalogReader(session)
        assert reader.feature("tiny-sae", 4).peak == changed[4].peak
        assert reader.feature("tiny-sae", 20).peak == own_catalog.features[20].peak
        assert len(reader.features(FeatureQuery("tiny-sae", limit=500)).features) == D_SAE
    assert told == [10]


def test_a_list_line_has_what_the_record_says(catalog: SmallCatalog):
    with session_scope(catalog.engine) as session:
        lines = CatalogReader(session).features(FeatureQuery("tiny-sae", sort="index", order="asc")).features
    for line, record in zip(lines, catalog.features, strict=True):
        assert (line.index, line.tokens_fired, line.peak) == (record.index, record.tokens_fired, record.peak)
        assert line.mean == (record.activation_sum / record.tokens_fired if record.tokens_fired else 0.0)
        best = record.tokens.token_ids[record.tokens.recall.argmax()] if record.tokens_fired else None
        assert line.top_token == best
        assert line.promoted == tuple(record.logits.promoted_ids.tolist())
        assert len(line.sparkline) == (24 if record.tokens_fired else 0)


def test_filters_keep_what_they_say(catalog: SmallCatalog):
    def found(**filters) -> set[int]:
        with session_scope(catalog.engine) as session:
            page = CatalogReader(session).features(FeatureQuery("tiny-sae", limit=500, **filters))
        return {line.index for line in page.features}

    def where(keep) -> set[int]:
        return {record.index for record in catalog.features if keep(record)}

    assert found(live=False) == {3, 4, 17}
    assert found(live=True) == where(lambda record: record.tokens_fired)
    assert found(min_peak=5.0, max_peak=12.0) == where(lambda record: 5 <= record.peak <= 12)
    assert found(min_density=0.1, sort="peak") == where(lambda record: record.tokens_fired >= 300)
    assert found(max_density=0.1) == where(lambda record: record.tokens_fired <= 300)
    text_of = {line: VOCABULARY.text(top(line)) for line in catalog.features if line.tokens_fired}
    assert found(token_contains="WORD1") == {line.index for line, words in text_of.items() if "word1" in words}
    assert found(token_contains="%") == found(token_contains="_") == set()
    some = top(catalog.features[0])
    assert found(token=some) == {line.index for line in text_of if top(line) == some}
    assert found(labelled=True) == set()
    assert found(labelled=False) == set(range(D_SAE))


def top(record) -> int:
    return int(record.tokens.token_ids[record.tokens.recall.argmax()])


def test_labels_hang_on_the_dictionary_and_outlive_a_harvest(own_catalog: SmallCatalog):
    with session_scope(own_catalog.engine, write=True) as session:
        writer = CatalogWriter(session)
        say(writer, 5, "first try", by="kim")
        say(writer, 5, "  better \n text ", by="kim")
        writer.add_harvest(harvest_record(id="second"))
        writer.write_features("second", "tiny-sae", features())
        writer.finish_harvest("second")
        with pytest.raises(NotFound, match="features 0 to 39"):
            say(writer, D_SAE, "x", by="kim")
        with pytest.raises(BadRecord, match="has to say something"):
            say(writer, 5, " \n ", by="kim")
    with session_scope(own_catalog.engine) as session:
        reader = CatalogReader(session)
        assert reader.feature("tiny-sae", 5).label == "first try"
        assert [label.text for label in reader.labels.of_feature("tiny-sae", 5)] == ["first try", "better text"]
        [line] = reader.features(FeatureQuery("tiny-sae", labelled=True)).features
        assert (line.index, line.label) == (5, "first try")


def test_contexts_come_back_as_they_were_cut(catalog: SmallCatalog):
    batch = context_batch(np.array([9, 10, 155]))
    with session_scope(catalog.engine) as session:
        contexts = CatalogReader(session).contexts("first", [155, 9, 10, 9])
    assert list(contexts) == [155, 9, 10]
    for row, context_id in enumerate([9, 10, 155]):
        found = contexts[context_id]
        assert (found.document_id, found.start) == (context_id // 10, (context_id % 10) * 16)
        np.testing.assert_array_equal(found.token_ids, batch.token_ids[row, : batch.lengths[row]])
    assert contexts[9].document == "document 0.txt" and len(contexts[9].token_ids) == 5


def test_contexts_added_piece_by_piece_and_twice_are_all_there(engine: Engine):
    with session_scope(engine, write=True) as session:
        writer = CatalogWriter(session)
        begin(writer)
        for ids in ([0, 33, 34], [35, 1, 199], [33, 34]):
            assert writer.add_contexts("first", [context_batch(np.array(ids))], document_names=NAMES) == len(ids)
    with session_scope(engine) as session:
        reader = CatalogReader(session)
        assert set(reader.contexts("first", [0, 1, 33, 34, 35, 199])) == {0, 1, 33, 34, 35, 199}
        with pytest.raises(NotFound, match="'2'"):
            reader.contexts("first", [2])


def test_large_token_ids_are_kept(engine: Engine):
    batch = context_batch(np.arange(3))
    batch = replace(batch, token_ids=batch.token_ids + 100_000)
    with session_scope(engine, write=True) as session:
        begin(CatalogWriter(session))
        CatalogWriter(session).add_contexts("first", [batch], document_names=NAMES)
    with session_scope(engine) as session:
        found = CatalogReader(session).contexts("first", [2])[2]
    np.testing.assert_array_equal(found.token_ids, batch.token_ids[2])


def test_what_does_not_fit_is_refused_before_anything_is_written(engine: Engine):
    with session_scope(engine, write=True) as session:
        writer = CatalogWriter(session)
        begin(writer)
        batch = context_batch(np.arange(3))
        with pytest.raises(BadRecord, match="3 contexts"):
            writer.add_contexts("first", [replace(batch, starts=batch.starts[:2])], document_names=NAMES)
        with pytest.raises(BadRecord, match="no feature 40"):
            writer.write_features("first", "tiny-sae", [feature(D_SAE)])
        with pytest.raises(BadRecord, match="has no dictionary 'other'"):
            writer.write_features("first", "other", [feature(1)])
        with pytest.raises(NotFound, match="no dictionary 'tiny-sea'"):
            writer.add_harvest(harvest_record(id="x", dictionaries=("tiny-sea",)))
        with pytest.raises(BadRecord, match="no total 'token'"):
            writer.finish_harvest("first", token=3)
        with pytest.raises(NotFound, match="Did you mean 'tiny-sae'"):
            writer.set_quality("tiny-sea", {})
    with session_scope(engine) as session:
        assert CatalogReader(session).features(FeatureQuery("tiny-sae")).features == ()


def test_an_error_leaves_nothing_half_written(engine: Engine):
    def add_one_and_fail() -> None:
        with session_scope(engine, write=True) as session:
            CatalogWriter(session).add_model(model_record())
            CatalogWriter(session).set_quality("nothing", {})

    with pytest.raises(NotFound):
        add_one_and_fail()
    with session_scope(engine) as session:
        assert CatalogReader(session).models() == []


def test_what_is_said_of_the_whole_comes_back(own_catalog: SmallCatalog):
    summary = DictionarySummary(40, 3, 1, 5.5, (-4.0, -3.0, -2.0), (7, 30))
    with session_scope(own_catalog.engine) as session:
        before = CatalogReader(session).harvest("first").provenance
    with session_scope(own_catalog.engine, write=True) as session:
        writer = CatalogWriter(session)
        writer.write_summary("first", "tiny-sae", summary)
        writer.set_quality("tiny-sae", {"fvu": 0.2})
        writer.set_token_counts("first", np.array([0, 5, 70_000]))
        writer.add_provenance("first", {"seed": 7, POSITION_TOKENS: [0, 3]})
    with session_scope(own_catalog.engine) as session:
        reader = CatalogReader(session)
        assert reader.summary("first", "tiny-sae") == summary
        assert reader.dictionary("tiny-sae").quality == {"fvu": 0.2}
        assert reader.token_counts("first").tolist() == [0, 5, 70_000]
        assert reader.harvest("first").provenance == {**before, "seed": 7, POSITION_TOKENS: [0, 3]}


def test_jobs_and_workers_are_overwritten_and_listed_newest_first(engine: Engine):
    with session_scope(engine, write=True) as session:
        writer = CatalogWriter(session)
        writer.save_job(JOB)
        writer.save_job(replace(JOB, id="job-2", created_at="2026-02-01T00:00:00.000000+00:00"))
        writer.save_job(replace(JOB, done=10, status="complete"))
        writer.heartbeat(WORKER)
        writer.heartbeat(replace(WORKER, executor_id="worker-2"))
        session.execute(
            text("UPDATE worker_heartbeat SET last_seen_at = :then WHERE executor_id = 'worker-2'"),
            {"then": seconds_ago(60)},
        )
    with session_scope(engine) as session:
        reader = CatalogReader(session)
        assert [job.id for job in reader.jobs()] == ["job-2", "job-1"]
        assert reader.job("job-1") == replace(JOB, done=10, status="complete")
        assert [(worker.executor_id, worker.alive) for worker in reader.workers()] == [
            ("worker-1", True),
            ("worker-2", False),
        ]
    with session_scope(engine, write=True) as session:
        CatalogWriter(session).forget_worker("worker-1")
    with session_scope(engine) as session:
        assert len(CatalogReader(session).workers()) == 1


def test_portions_shrink_when_the_database_is_slow_and_grow_when_it_is_fast(engine: Engine):
    sizes: list[int] = []

    def write(seconds_a_row: float) -> None:
        def insert(rows) -> None:
            sizes.append(len(rows))
            time.sleep(seconds_a_row * len(rows))

        with make_session(engine, write=True) as session:
            ShortTransactions(session).write(range(1_000), insert)

    write(0.002)
    assert sum(sizes) == 1_000 and max(sizes[1:]) <= (40 if engine.dialect.name == "sqlite" else 128)
    sizes.clear()
    write(0.0)
    assert sum(sizes) == 1_000 and max(sizes) > 100


def test_labelling_never_waits_long_for_a_bulk_write(engine: Engine):
    with session_scope(engine, write=True) as session:
        begin(CatalogWriter(session))
    waits: list[float] = []
    done = threading.Event()

    def label() -> None:
        while not done.is_set():
            began = time.perf_counter()
            with session_scope(engine, write=True) as session:
                say(CatalogWriter(session), 1, "meanwhile", by="kim")
            waits.append(time.perf_counter() - began)
            time.sleep(0.005)

    person = threading.Thread(target=label)
    person.start()
    with make_session(engine, write=True) as session:
        writer = FeatureWriter(session, "first", "tiny-sae")
        writer.write((replace(feature(index % 7), index=index % D_SAE) for index in range(600)), None)
    done.set()
    person.join()
    assert waits
    assert np.median(waits) < 5 * LONGEST_HOLD_S


def test_two_harvests_of_a_corpus_share_their_contexts(own_catalog: SmallCatalog):
    with session_scope(own_catalog.engine, write=True) as session:
        CatalogWriter(session).add_harvest(harvest_record(id="second"))
    with session_scope(own_catalog.engine) as session:
        assert CatalogReader(session).contexts("second", [7])[7].document == "document 0.txt"


def test_dictionaries_with_and_without_bos_cannot_share_a_harvest(engine: Engine):
    with session_scope(engine, write=True) as session:
        writer = CatalogWriter(session)
        begin(writer)
        other = dictionary_record(slug="bare", hash="bare", conventions={"prepend_bos": False, "n_ctx": 16})
        writer.add_dictionary(other)
        with pytest.raises(CatalogError, match="with and without BOS"):
            writer.add_harvest(harvest_record(id="both", dictionaries=("tiny-sae", "bare")))


def test_a_vocabulary_must_be_there_before_features(engine: Engine):
    with session_scope(engine, write=True) as session:
        writer = CatalogWriter(session)
        writer.add_model(model_record())
        writer.add_dictionary(dictionary_record())
        writer.add_corpus(corpus_record())
        writer.add_harvest(harvest_record())
        with pytest.raises(BadRecord, match="vocabulary of tokenizer 'tokenizer-hash' is not stored"):
            writer.write_features("first", "tiny-sae", [feature(1)])
        writer.add_vocabulary(Vocabulary.of("tokenizer-hash", [b"a"] * 300, frozenset()))
        assert writer.write_features("first", "tiny-sae", [feature(1)]) == 1
