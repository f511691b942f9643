"""The digest changes with what the catalog says, and with nothing else."""

from dataclasses import replace

import numpy as np
from sqlalchemy import Engine, update

from catalog.digest import CatalogDigest, catalog_digest
from catalog.engine import make_engine, session_scope
from catalog.revision import migrate
from catalog.schema import DocumentRow, FeatureRow, HarvestTokensRow, RunRow
from catalog.writer import CatalogWriter
from tests.catalog.labelling import say
from tests.catalog.random_features import (
    SmallCatalog,
    begin,
    context_batch,
    dictionary_record,
    features,
    fill,
    harvest_record,
    model_record,
)
from tests.catalog.test_examples import firings

NAMES = {number: f"document {number}.txt" for number in range(20)}


def digest(engine: Engine) -> CatalogDigest:
    with session_scope(engine) as session:
        return catalog_digest(session)


def differing(first: CatalogDigest, second: CatalogDigest) -> set[str]:
    assert (first.sha256 == second.sha256) == (first.tables == second.tables)
    return {mine.table for mine, theirs in zip(first.tables, second.tables, strict=True) if mine != theirs}


def fill_otherwise(engine: Engine) -> None:
    """The same results as `fill` by another way: other things first, in portions, twice over, under another name."""
    with session_scope(engine, write=True) as session:
        writer = CatalogWriter(session)
        begin(writer)
        writer.add_harvest(harvest_record(id="given-up", status="failed", plan={"seed": 9}))
        writer.add_harvest(harvest_record(id="first-2", job_id="harvest-7", created_at="2026-02-02T00:00:00+00:00"))
        for part in np.array_split(np.arange(200)[::-1], 7):
            writer.add_contexts("first-2", [context_batch(part)], document_names=NAMES)
        for _ in range(2):
            writer.write_features("first-2", "tiny-sae", reversed(features()))
        writer.finish_harvest("first-2")


def test_the_way_to_the_results_does_not_count_nor_does_the_kind_of_database(engine: Engine, tmp_path):
    fill_otherwise(engine)
    other = make_engine(f"sqlite:///{tmp_path / 'other.sqlite'}")
    migrate(other)
    assert digest(other) != digest(engine)
    fill(other)
    assert digest(other) == digest(engine)
    other.dispose()


def test_each_thing_said_changes_the_digest_of_its_table_alone(own_catalog: SmallCatalog):
    engine = own_catalog.engine
    before = digest(engine)
    changes = {
        "feature": lambda session: session.execute(
            update(FeatureRow).where(FeatureRow.index == 5).values(peak=FeatureRow.peak + 1)
        ),
        "context": lambda session: session.execute(update(DocumentRow).where(DocumentRow.number == 3).values(name="x")),
        "feature_page": lambda session: CatalogWriter(session).write_features(
            "first", "tiny-sae", [replace(own_catalog.features[7], decoder_norm=9.0)]
        ),
        "harvest": lambda session: session.execute(update(RunRow).values(summary={"l0": 1.0})),
        "harvest_tokens": lambda session: CatalogWriter(session).set_token_counts("first", np.arange(9)),
        "label": lambda session: say(CatalogWriter(session), 1, "cats", by="me"),
        "example": lambda session: CatalogWriter(session).add_example(5, firings(), text="cats", author="me"),
        "dictionary": lambda session: CatalogWriter(session).set_quality("tiny-sae", {"fvu": 0.5}),
        "model": lambda session: CatalogWriter(session).add_model(model_record(weights_hash="another")),
    }
    for table, change in changes.items():
        with session_scope(engine, write=True) as session:
            change(session)
        after = digest(engine)
        assert differing(before, after) == {table}
        before = after


def test_an_empty_catalog_has_a_digest_and_unfinished_work_does_not_change_it(engine: Engine):
    empty = digest(engine)
    assert {table.rows for table in empty.tables} == {0}
    with session_scope(engine, write=True) as session:
        begin(CatalogWriter(session))
    begun = digest(engine)
    assert differing(empty, begun) == {"model", "vocabulary", "dictionary", "corpus"}
    with session_scope(engine, write=True) as session:
        CatalogWriter(session).write_features("first", "tiny-sae", features()[:9])
    assert digest(engine) == begun


def test_rows_are_counted(own_catalog: SmallCatalog):
    with session_scope(own_catalog.engine, write=True) as session:
        CatalogWriter(session).add_dictionary(dictionary_record(hash="second", slug="second"))
        assert session.query(HarvestTokensRow).count() == 0
    rows = {table.table: table.rows for table in digest(own_catalog.engine).tables}
    assert (rows["dictionary"], rows["harvest"]) == (2, 1)
    assert rows["feature"] == rows["feature_page"] == len(own_catalog.features)
    assert rows["context"] == 200
