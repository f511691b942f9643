"""Contexts of a corpus, against cutting each document in a plain loop."""

import numpy as np
import pytest

from worker.corpus.contexts import ContextTable, cut_contexts

PAD, BOS = 7, 9


def table(sizes: list[int], n_ctx: int, *, bos: bool, max_tokens: int | None = None) -> ContextTable:
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    document_ids, offsets, lengths = cut_contexts(starts, n_ctx - int(bos), max_tokens=max_tokens)
    return ContextTable(
        document_ids=document_ids,
        starts=offsets,
        lengths=lengths,
        n_ctx=n_ctx,
        bos_id=BOS if bos else None,
        pad_id=PAD,
        tokens=np.arange(100, 100 + starts[-1], dtype=np.uint16),
        document_starts=starts,
    )


def rows_by_loop(sizes: list[int], n_ctx: int, *, bos: bool) -> list[list[int]]:
    rows, first = [], 100
    for size in sizes:
        document = list(range(first, first + size))
        first += size
        width = n_ctx - int(bos)
        for start in range(0, size, width):
            row = [BOS] * bos + document[start : start + width]
            rows.append(row + [PAD] * (n_ctx - len(row)))
    return rows


@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("sizes", [[10], [0, 3, 0, 4, 8, 9, 0], [1, 1, 1], [4, 4], [], [0]])
def test_contexts_are_those_of_cutting_each_document(sizes, bos):
    contexts = table(sizes, 4, bos=bos)
    expected = rows_by_loop(sizes, 4, bos=bos)
    assert contexts.token_ids(np.arange(len(contexts))).tolist() == expected
    assert contexts.n_tokens == sum(sizes)


def test_rows_can_be_asked_for_in_any_order():
    contexts = table([10, 3], 4, bos=True)
    all_rows = contexts.token_ids(np.arange(len(contexts)))
    wanted = np.array([3, 0, 3])
    assert contexts.token_ids(wanted).tolist() == all_rows[wanted].tolist()
    assert contexts.token_ids(np.array([], dtype=np.int64)).shape == (0, 4)
    assert contexts.row_lengths(np.arange(len(contexts))).tolist() == [4, 4, 4, 2, 4]


@pytest.mark.parametrize(("max_tokens", "kept"), [(0, 0), (1, 1), (4, 1), (5, 2), (12, 4), (13, 4), (99, 4)])
def test_a_limit_keeps_the_first_contexts_up_to_the_one_that_reaches_it(max_tokens, kept):
    assert len(table([9, 4], 4, bos=False, max_tokens=max_tokens)) == kept


def test_a_context_never_holds_two_documents():
    contexts = table([3, 2], 8, bos=False)
    assert contexts.document_ids.tolist() == [0, 1]
    assert contexts.lengths.tolist() == [3, 2]
