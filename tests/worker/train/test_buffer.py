"""The buffer: every token once, hooks in step, mixed, and taken up exactly."""

import pytest
import torch

from worker.train.buffer import ActivationBuffer
from worker.train.errors import TrainingError


def numbered(n_blocks, size, start=0):
    """Token i holds the number i at one hook, and -i twice at another."""
    for block in range(start, n_blocks):
        ids = torch.arange(block * size, (block + 1) * size, dtype=torch.float32)
        yield {"a": ids[:, None], "b": -ids[:, None].repeat(1, 2)}


def buffer(blocks, capacity=40, batch_size=10, seed=0):
    return ActivationBuffer(iter(blocks), capacity=capacity, batch_size=batch_size, seed=seed)


@pytest.mark.parametrize("size", [1, 7, 10, 40, 100])
def test_every_token_is_served_once_but_those_of_an_incomplete_batch(size):
    served = torch.cat([batch["a"].flatten() for batch in buffer(numbered(700 // size, size))])
    total = 700 // size * size
    assert len(served) == total // 10 * 10
    assert len(set(served.tolist())) == len(served)
    assert set(served.tolist()) <= set(range(total))


def test_rows_of_all_hooks_belong_to_the_same_tokens():
    for batch in buffer(numbered(10, 13)):
        assert torch.equal(-batch["b"][:, 0], batch["a"][:, 0])
        assert batch["a"].shape == (10, 1)


def test_a_batch_mixes_tokens_of_many_blocks():
    first = next(iter(buffer(numbered(100, 4), capacity=200, batch_size=20)))
    assert len({int(token) // 4 for token in first["a"].flatten().tolist()}) > 10


def test_the_order_is_fixed_by_the_seed():
    runs = [[batch["a"] for batch in buffer(numbered(20, 10), seed=seed)] for seed in (3, 3, 4)]
    same = [all(torch.equal(x, y) for x, y in zip(runs[0], other, strict=True)) for other in runs[1:]]
    assert same == [True, False]


@pytest.mark.parametrize("served", [0, 1, 2, 5, 9])
def test_a_saved_buffer_goes_on_exactly(served):
    undisturbed = buffer(numbered(20, 13))
    expected = [batch["a"] for batch in undisturbed]
    stopped = buffer(numbered(20, 13))
    stopped.pilot(5)
    batches = iter(stopped)
    for _ in range(served):
        next(batches)
    state = {name: tensor.clone() for name, tensor in stopped.state().items()}
    resumed = buffer(numbered(20, 13, start=stopped.blocks_read))
    resumed.load_state(state)
    assert torch.equal(torch.cat([batch["a"] for batch in resumed]), torch.cat(expected[served:]))


def test_empty_blocks_are_passed_over():
    empty = {"a": torch.zeros(0, 1), "b": torch.zeros(0, 2)}
    blocks = [empty, *numbered(3, 10), empty, empty]
    assert sum(len(batch["a"]) for batch in buffer(blocks)) == 30


def test_the_pilot_is_what_will_be_served_first():
    mixed = buffer(numbered(20, 10))
    pilot = mixed.pilot(15)["a"]
    batches = iter(mixed)
    assert torch.equal(torch.cat([next(batches)["a"], next(batches)["a"][:5]]), pilot)


def test_half_precision_is_kept_as_float32():
    blocks = [{"a": torch.ones(20, 3, dtype=torch.bfloat16)}]
    assert next(iter(buffer(blocks)))["a"].dtype == torch.float32


def test_nothing_to_serve_is_an_error_of_the_corpus():
    with pytest.raises(TrainingError, match="no text tokens"):
        buffer([]).pilot(3)
    assert list(buffer([])) == []
