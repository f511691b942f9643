"""Which tokens are text, and a stream that can be taken up at any block."""

from itertools import chain, islice

import numpy as np
import pytest
import torch

from worker.train.activations import ContextBlocks, text_batch
from worker.train.errors import TrainingError


class FewContexts:
    """Context i holds the ids 10 i + 1, 10 i + 2, …, after a BOS if there is one; padded with 0."""

    def __init__(self, lengths, bos_id=0):
        self.lengths = np.array(lengths, dtype=np.int32)
        self.bos_id = bos_id

    def token_ids(self, context_ids):
        ids = np.zeros((len(context_ids), 8), dtype=np.int64)
        first = 0 if self.bos_id is None else 1
        for row, context in enumerate(context_ids):
            length = self.lengths[context]
            ids[row, first : first + length] = 10 * context + np.arange(1, length + 1)
            ids[row, :first] = -1
        return ids


class TokenIds:
    """A model whose activation is the token id itself."""

    def activations(self, token_ids, hook_names):
        return {name: token_ids[..., None].float() for name in hook_names}


def test_bos_and_padding_are_not_text():
    ids, is_text = text_batch(FewContexts([3, 0, 7]), np.array([0, 1, 2]))
    assert ids[is_text].tolist() == [1, 2, 3, 21, 22, 23, 24, 25, 26, 27]


def test_without_bos_position_0_is_not_text():
    ids, is_text = text_batch(FewContexts([3, 1], bos_id=None), np.array([0, 1]))
    assert ids[is_text].tolist() == [2, 3]


def test_excluded_tokens_are_not_text_wherever_they_stand():
    ids, is_text = text_batch(FewContexts([3, 3]), np.array([0, 1]), frozenset([2, 11]))
    assert ids[is_text].tolist() == [1, 3, 12, 13]


def test_a_batch_is_no_longer_than_its_longest_context():
    ids, _ = text_batch(FewContexts([3, 2, 7]), np.array([0, 1]))
    assert ids.shape == (2, 4)


def stream(contexts, start=0, n_blocks=10, seed=1):
    blocks = ContextBlocks(TokenIds(), contexts, ["a", "b"], seed=seed, contexts_per_block=3)
    return [block["a"].flatten().tolist() for block in islice(blocks.blocks(start), n_blocks)]


def test_each_pass_reads_every_text_token_once_in_an_order_of_its_own():
    contexts = FewContexts([3, 1, 7, 2, 5, 4, 6, 1, 2, 3])
    blocks = stream(contexts, n_blocks=8)
    every = sorted(10 * i + j for i, length in enumerate(contexts.lengths) for j in range(1, length + 1))
    assert sorted(chain(*blocks[:4])) == every
    assert sorted(chain(*blocks[4:])) == every
    assert blocks[:4] != blocks[4:]


def test_the_stream_can_be_taken_up_at_any_block():
    contexts = FewContexts([3, 1, 7, 2, 5, 4, 4])
    whole = stream(contexts, n_blocks=12)
    for start in range(6):
        assert stream(contexts, start=start, n_blocks=6) == whole[start : start + 6]


def test_hooks_yield_the_same_tokens_as_float32():
    (block,) = islice(ContextBlocks(TokenIds(), FewContexts([2, 2]), ["a", "b"], seed=0).blocks(0), 1)
    assert torch.equal(block["a"], block["b"])
    assert block["a"].dtype == torch.float32


def test_a_corpus_without_text_is_an_error():
    with pytest.raises(TrainingError, match="the corpus is empty"):
        stream(FewContexts([]))
    with pytest.raises(TrainingError, match="no text tokens"):
        stream(FewContexts([0, 0, 0, 0]))
