"""How token streams are cut into contexts."""

from itertools import islice

import numpy as np

from worker.demo.contexts import document_contexts, training_contexts
from worker.demo.tokenizer import TokenStream


def test_a_documents_contexts_hold_each_of_its_tokens_once_behind_a_bos():
    contexts = document_contexts(np.arange(1, 9), n_ctx=4)
    assert [context.tolist() for context in contexts] == [[0, 1, 2, 3], [0, 4, 5, 6], [0, 7, 8]]


def test_an_empty_document_has_no_contexts():
    assert document_contexts(np.array([], dtype=np.int64), n_ctx=4) == []


def test_training_goes_once_over_the_stream_before_it_sees_a_stretch_again():
    tokens = np.arange(1, 32, dtype=np.uint16)
    contexts = training_contexts(TokenStream(tokens, np.array([0])), n_ctx=4, seed=1)
    first, second = list(islice(contexts, 10)), list(islice(contexts, 10))
    for epoch in (first, second):
        assert all(context[0] == 0 for context in epoch)
        assert sorted(np.concatenate([context[1:] for context in epoch])) == list(range(1, 31))
    assert [list(context) for context in first] != [list(context) for context in second]


def test_a_resumed_run_meets_the_contexts_that_the_first_would_have_met():
    stream = TokenStream(np.arange(1, 200, dtype=np.uint16), np.array([0]))
    whole = list(islice(training_contexts(stream, n_ctx=8, seed=5), 40))
    rest = list(islice(training_contexts(stream, n_ctx=8, seed=5), 25, 40))
    np.testing.assert_array_equal(whole[25:], rest)
