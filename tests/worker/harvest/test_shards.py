"""Shards: any number, any order, killed or not, the same result to the bit."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.worker.harvest.conftest import equal, make_contexts, make_dictionary, make_world
from worker.harvest.engine import harvest_shard
from worker.harvest.errors import HarvestError
from worker.harvest.merge import merge_shards
from worker.harvest.partial import partial_path
from worker.harvest.plan import HarvestOptions, HarvestPlan, plan_harvest, shard_batches

SMALL = {"n_sample": 12, "n_top": 5, "n_pool": 20, "coactivation_tokens": 700}


def test_one_shard_and_many_give_the_same_result_to_the_bit(tmp_path):
    many = make_world(("relu", "topk"), **SMALL, shard_tokens=200)
    one = make_world(("relu", "topk"), **SMALL, shard_tokens=10**9)
    assert (one.plan.n_shards, many.plan.n_shards > 4) == (1, True)
    for first, second in zip(many.harvest(tmp_path / "many"), one.harvest(tmp_path / "one"), strict=True):
        assert equal(first, second)


def test_shards_may_be_harvested_in_any_order_and_twice(tmp_path):
    world = make_world(**SMALL)
    forward = world.harvest(tmp_path / "a")
    backward = world.harvest(tmp_path / "b", order=[*reversed(range(world.plan.n_shards)), 0])
    assert equal(forward[0], backward[0])


def test_the_number_of_threads_does_not_show(tmp_path):
    world = make_world(("topk",), **SMALL)
    before = torch.get_num_threads()
    alone = world.harvest(tmp_path / "a")
    torch.set_num_threads(3)
    try:
        together = world.harvest(tmp_path / "b")
    finally:
        torch.set_num_threads(before)
    assert equal(alone[0], together[0])


def test_a_finished_shard_is_left_alone_and_a_torn_one_is_done_again(tmp_path):
    world = make_world(**SMALL)
    expected = world.harvest(tmp_path)
    path = partial_path(tmp_path, 0)
    written = path.stat().st_mtime_ns
    world.harvest(tmp_path)
    assert path.stat().st_mtime_ns == written
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(HarvestError, match="damaged"):
        merge_shards(world.plan, tmp_path, contexts=world.contexts)
    assert equal(world.harvest(tmp_path)[0], expected[0])


def test_a_missing_shard_and_one_of_another_plan_are_refused(tmp_path):
    world = make_world(**SMALL)
    with pytest.raises(HarvestError, match="is missing"):
        merge_shards(world.plan, tmp_path, contexts=world.contexts)
    world.harvest(tmp_path)
    other = replace(world.plan, options=replace(world.plan.options, seed=1))
    with pytest.raises(HarvestError, match="another harvest plan"):
        merge_shards(other, tmp_path, contexts=world.contexts)


def test_a_shard_that_cannot_be_written_is_a_clear_message_and_leaves_nothing(tmp_path):
    world = make_world(**SMALL)
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder is wanted")
    with pytest.raises(HarvestError, match="could not be written"):
        world.harvest(blocked / "harvest")
    assert list(tmp_path.iterdir()) == [blocked]


def test_a_shard_ends_at_a_document_and_every_context_is_in_one_batch():
    world = make_world()
    bounds, documents = world.plan.shards, world.contexts.document_ids
    assert all(documents[bound - 1] != documents[bound] for bound in bounds[1:-1])
    seen = [ids for s in range(world.plan.n_shards) for ids, _ in shard_batches(world.plan, s, world.contexts)]
    assert np.array_equal(np.sort(np.concatenate(seen)), np.arange(len(world.contexts)))


def test_a_plan_survives_json_and_refuses_what_it_does_not_know():
    plan = make_world().plan
    values = plan.to_json()
    assert HarvestPlan.from_json(values) == plan
    with pytest.raises(HarvestError, match="colour"):
        HarvestPlan.from_json({**values, "colour": 1})
    with pytest.raises(HarvestError, match="seeds"):
        HarvestPlan.from_json({**values, "options": {**values["options"], "seeds": 1}})


def test_the_coactivation_bar_lets_exactly_the_wanted_tokens_pass(tmp_path):
    world = make_world(coactivation_tokens=300, excluded_ids=())
    assert world.harvest(tmp_path)[0].coactivation.sample_tokens == 300


def test_an_empty_corpus_is_refused():
    with pytest.raises(HarvestError, match="no tokens"):
        plan_harvest(make_contexts([]), HarvestOptions(), excluded_ids=(), d_vocab=10)


def test_a_dictionary_of_other_conventions_is_refused(tmp_path):
    world = make_world()
    other = make_dictionary("relu", prepend_bos=False)
    with pytest.raises(HarvestError, match="group of its own"):
        harvest_shard(world.plan, 0, model=world.model, dictionaries=[other], contexts=world.contexts, folder=tmp_path)


@pytest.mark.parametrize("sizes", [[1], [1, 1, 1], [3, 40, 2]])
@pytest.mark.parametrize("bos_id", [0, None])
def test_contexts_shorter_than_n_ctx_and_documents_of_one_token_are_harvested(tmp_path, sizes, bos_id):
    world = make_world(sizes=sizes, bos_id=bos_id, **SMALL)
    result = world.harvest(tmp_path)[0]
    dense = world.dense(0)
    assert np.array_equal(result.tokens_fired, (dense > 0).sum((0, 1)))
    assert result.corpus.tokens == world.kept().sum()


def test_a_feature_that_never_fires_is_empty_throughout_and_counted_dead(tmp_path):
    world = make_world(**SMALL)
    result = world.harvest(tmp_path)[0]
    found = result.feature(0)
    assert found["tokens_fired"] == found["peak"] == len(found["histogram_bins"]) == 0
    assert len(found["top"]["context_ids"]) == len(found["bands"]["band"]) == len(found["tokens"]["token_ids"]) == 0
    assert len(found["controls"]["context_ids"]) == 5
    assert result.summary.n_dead == np.count_nonzero(result.tokens_fired == 0) > 0


def test_a_feature_that_always_fires_has_no_controls(tmp_path):
    world = make_world(**SMALL)
    result = world.harvest(tmp_path)[0]
    found = result.feature(1)
    assert found["tokens_fired"] == result.corpus.tokens
    assert len(found["controls"]["context_ids"]) == len(found["reserve"]["controls"]["context_ids"]) == 0
    assert result.summary.n_dense >= 1
    assert sum(result.summary.density_counts) == result.d_sae - result.summary.n_dead
