"""Shards of more text added to what an earlier harvest kept: the same, to the bit, as one harvest of all of it."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.worker.harvest.conftest import D_VOCAB, World, equal, make_world
from worker.corpus.contexts import ContextTable
from worker.harvest.engine import harvest_shard
from worker.harvest.errors import HarvestError
from worker.harvest.fold import Folded, fold_shards
from worker.harvest.merge import results_of
from worker.harvest.plan import HarvestPlan, plan_harvest, pool_ids

SMALL = {"n_sample": 12, "n_top": 5, "n_pool": 20, "coactivation_tokens": 300, "shard_tokens": 400}
KINDS = ("relu", "topk")


def first_of(contexts: ContextTable, n: int) -> ContextTable:
    parts = {name: getattr(contexts, name)[:n] for name in ("document_ids", "starts", "lengths")}
    return replace(contexts, **parts)


def plan_of(world: World, contexts: ContextTable, seen: int) -> HarvestPlan:
    options, excluded = world.plan.options, world.plan.excluded_ids
    return plan_harvest(contexts, options, excluded_ids=excluded, d_vocab=D_VOCAB, seen=seen)


def grow(world: World, folder: Path, cuts: list[int]):
    """The results of a harvest that stops at each cut, is kept, read back, and goes on."""
    digest, contexts = "", world.contexts
    for number, (seen, stop) in enumerate(pairwise([0, *cuts, len(world.contexts)])):
        contexts = first_of(world.contexts, stop)
        plan = plan_of(world, contexts, seen)
        kept = folder / "kept.npz"
        before = Folded.load(kept, plan, contexts=contexts, digest=digest) if number else None
        part = folder / str(number)
        for shard in range(plan.n_shards):
            harvest_shard(
                plan, shard, model=world.model, dictionaries=world.dictionaries, contexts=contexts, folder=part
            )
        folded = fold_shards(plan, part, contexts=contexts, before=before)
        folded.save(kept, plan.digest)
        digest = plan.digest
    return results_of(plan, folded, contexts=contexts)


def test_wherever_a_harvest_stopped_what_is_grown_from_it_is_the_same_to_the_bit(tmp_path):
    world = make_world(KINDS, **SMALL)
    expected = world.harvest(tmp_path / "at once")
    n = len(world.contexts)
    for cut in (1, 2, n // 3, n // 3 + 1, n // 2, n - 1):
        grown = grow(world, tmp_path / f"cut at {cut}", [cut])
        assert all(equal(*pair) for pair in zip(grown, expected, strict=True)), cut


def test_growing_again_and_again_within_one_document_is_the_same_to_the_bit(tmp_path):
    sizes = [40, 600, 3, 25]
    world = make_world(KINDS, sizes=sizes, **SMALL)
    cuts = [2, 5, 9, 10, 30]
    documents = world.contexts.document_ids
    assert [documents[cut - 1] == documents[cut] for cut in cuts].count(True) >= 4
    expected = world.harvest(tmp_path / "at once")
    grown = grow(world, tmp_path / "grown", cuts)
    assert all(equal(*pair) for pair in zip(grown, expected, strict=True))


def test_many_contexts_of_a_document_may_be_top_contexts_also_of_a_grown_harvest(tmp_path):
    world = make_world(sizes=[600, 30], **SMALL, one_per_document=False)
    expected = world.harvest(tmp_path / "at once")
    assert equal(grow(world, tmp_path / "grown", [7, 20])[0], expected[0])
    assert np.diff(expected[0].top.offsets).max() == SMALL["n_top"]


def test_a_document_is_counted_once_however_often_a_harvest_stopped_in_it(tmp_path):
    world = make_world(sizes=[500], **SMALL)
    result = grow(world, tmp_path, [1, 2, 3, 20])[0]
    assert result.corpus.documents == 1
    assert np.array_equal(result.documents_fired, (world.dense(0) > 0).any((0, 1)))
    assert np.diff(result.top.offsets).max() == 1


def test_the_pool_and_the_sample_of_tokens_shrink_to_what_the_longer_corpus_draws(tmp_path):
    world = make_world(**SMALL)
    n = len(world.contexts)
    first, whole = plan_of(world, first_of(world.contexts, n // 2), 0), plan_of(world, world.contexts, n // 2)
    before, after = pool_ids(first, first_of(world.contexts, n // 2)), pool_ids(whole, world.contexts)
    assert whole.coactivation_bar < first.coactivation_bar
    assert set(after[after < n // 2].tolist()) < set(before.tolist())
    result = grow(world, tmp_path, [n // 2])[0]
    assert result.coactivation.sample_tokens <= SMALL["coactivation_tokens"]


def test_a_firing_bound_on_the_sample_of_tokens_holds_when_grown(tmp_path):
    world = make_world(("topk",), **SMALL, coactivation_entries=150)
    expected = world.harvest(tmp_path / "at once")
    assert equal(grow(world, tmp_path / "grown", [len(world.contexts) // 2])[0], expected[0])


def test_what_was_seen_is_not_gone_through_again(tmp_path):
    world = make_world(**SMALL)
    seen = len(world.contexts) // 2
    plan = plan_of(world, world.contexts, seen)
    assert (plan.seen, plan.shards[0], plan.n_contexts) == (seen, seen, len(world.contexts))
    done = []
    for shard in range(plan.n_shards):
        harvest_shard(
            plan,
            shard,
            model=world.model,
            dictionaries=world.dictionaries,
            contexts=world.contexts,
            folder=tmp_path,
            on_progress=lambda _done, total, shard=shard: done.append((shard, total)),
        )
    assert sum(dict(done).values()) == world.contexts.lengths[seen:].sum()


def test_a_corpus_with_nothing_new_is_refused():
    world = make_world(**SMALL)
    with pytest.raises(HarvestError, match="nothing to add"):
        plan_of(world, world.contexts, len(world.contexts))


def test_kept_state_of_another_harvest_is_refused(tmp_path):
    world = make_world(**SMALL)
    grow(world, tmp_path, [])
    with pytest.raises(HarvestError, match="another harvest plan"):
        Folded.load(tmp_path / "kept.npz", world.plan, contexts=world.contexts, digest="0" * 64)
