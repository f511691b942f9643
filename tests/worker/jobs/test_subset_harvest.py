"""Harvests of some features only, as jobs: kept beside harvests of all, and never shown before them."""

from pathlib import Path

import pytest

from catalog.queries import FeatureQuery
from catalog.records import DictionaryRecord
from tests.tiny import TinyWorld
from tests.worker.jobs.compare import plain
from tests.worker.jobs.test_growing import asked, growth
from tests.worker.jobs.test_harvest_steps import run
from worker.harvest.errors import HarvestError
from worker.jobs.context import JobContext
from worker.jobs.growing import Addition
from worker.jobs.harvest_prepare import prepare

ALONE = ("tokens_fired", "peak", "histogram_counts", "top", "bands", "tokens", "logits", "neighbour_indices")


def test_some_features_are_kept_beside_all_and_pages_show_all(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    some = run(context, asked(tiny_world, features="1,2-4"), "harvest-1")
    with context.ledger.reading() as reader:
        assert reader.dictionary("tiny-sae").harvest.id == some
        listed = reader.features(FeatureQuery(dictionary="tiny-sae", sort="index", order="asc"))
    assert [feature.index for feature in listed.features] == [1, 2, 3, 4]
    whole = run(context, asked(tiny_world), "harvest-2")
    again = run(context, asked(tiny_world, features="5"), "harvest-3")
    with context.ledger.reading() as reader:
        harvests = {each.id: each for each in reader.harvests("tiny-sae")}
        assert reader.dictionary("tiny-sae").harvest.id == whole
        for index in (1, 2, 3, 4):
            mine, theirs = reader.feature("tiny-sae", index, some), reader.feature("tiny-sae", index, whole)
            assert all(plain(getattr(mine, name)) == plain(getattr(theirs, name)) for name in ALONE)
    assert [harvests[each].features for each in (some, whole, again)] == ["1-4", None, "5"]
    assert {each.status for each in harvests.values()} == {"complete"}


def test_all_features_by_name_are_a_harvest_of_all(context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld):
    whole = run(context, asked(tiny_world), "harvest-1")
    assert run(context, asked(tiny_world, features="0-23"), "harvest-2") == whole


def test_a_harvest_of_some_features_grows(context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld):
    first = run(context, asked(tiny_world, max_tokens=3000, features="1,7"), "harvest-1")
    grown = run(context, growth(context, first, Addition(tokens=2000)), "harvest-2")
    with context.ledger.reading() as reader:
        record, total = reader.harvest(grown), reader.harvest(grown).plan["request"]["max_tokens"]
    at_once = run(context, asked(tiny_world, max_tokens=total, features="1,7", again=True), "harvest-3")
    assert record.features == "1,7"
    with context.ledger.reading() as reader:
        for index in (1, 7):
            one, other = (reader.feature("tiny-sae", index, each) for each in (grown, at_once))
            assert plain(one) == plain(other)


def test_a_feature_that_is_not_there_is_refused(context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld):
    context.ledger.queued("harvest-1", kind="harvest", title="test")
    with pytest.raises(HarvestError, match="there is no feature 24"):
        prepare(context, "harvest-1", asked(tiny_world, features="3,24"))
    assert not Path(context.home / "harvests").exists()
