"""The requests of the live benchmark have as many tokens as they say, in the contexts that the door cuts."""

import numpy as np
import pytest

from benchmarks.harvest_world import byte_tokenizer
from benchmarks.live_world import BOS, Asked
from worker.corpus.contexts import cut_contexts


@pytest.mark.parametrize(("n_tokens", "lengths"), [(16, [16]), (64, [64]), (130, [128, 2]), (512, [128] * 4)])
def test_a_request_is_as_long_as_it_says_and_cut_as_the_door_cuts_it(n_tokens: int, lengths: list[int]):
    asked = Asked.of(n_tokens, n_ctx=128, seed=3)
    assert asked.lengths.tolist() == lengths
    ids = np.array(byte_tokenizer()(asked.text)["input_ids"])
    _, starts, sizes = cut_contexts(np.array([0, len(ids)]), 127)
    assert (sizes + 1).tolist() == lengths
    for row, (start, size) in enumerate(zip(starts.tolist(), sizes.tolist(), strict=True)):
        assert asked.token_ids[row, : size + 1].tolist() == [BOS, *ids[start : start + size].tolist()]
    assert len(asked.kept) == n_tokens - len(lengths)
    assert BOS not in asked.token_ids.reshape(-1)[asked.kept]


def test_other_seeds_ask_for_other_texts():
    assert Asked.of(64, n_ctx=128, seed=1).text != Asked.of(64, n_ctx=128, seed=2).text
