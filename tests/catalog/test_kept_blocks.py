"""Contexts kept between requests: fewer queries, the same contexts, and no more memory than allowed."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from sqlalchemy import Engine, event

from catalog.context_blocks import OpenBlock
from catalog.engine import session_scope
from catalog.reader import CatalogReader
from catalog.reader.kept_blocks import KeptBlocks
from catalog.writer import CatalogWriter
from tests.catalog.random_features import SmallCatalog, begin, context_batch

NAMES = {number: f"document {number}" for number in range(20)}


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """The queries sent meanwhile."""
    seen: list[str] = []

    def note(_connection, _cursor, statement, *_rest) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def read(engine: Engine, kept: KeptBlocks, ids: list[int]):
    with session_scope(engine) as session:
        return CatalogReader(session, kept).contexts("first", ids)


def test_contexts_read_before_are_the_same_and_cost_no_query(catalog: SmallCatalog):
    kept = KeptBlocks()
    first = read(catalog.engine, kept, [9, 10, 155])
    with statements(catalog.engine) as seen:
        again = read(catalog.engine, kept, [155, 9])
    assert [statement for statement in seen if "context_block" in statement or "document" in statement] == []
    for context_id in (155, 9):
        np.testing.assert_array_equal(again[context_id].token_ids, first[context_id].token_ids)
        assert again[context_id].document == first[context_id].document


def test_a_context_added_to_a_block_that_is_kept_is_found(engine: Engine):
    kept = KeptBlocks()
    with session_scope(engine, write=True) as session:
        begin(CatalogWriter(session))
        CatalogWriter(session).add_contexts("first", [context_batch(np.array([32]))], document_names=NAMES)
    assert set(read(engine, kept, [32])) == {32}
    with session_scope(engine, write=True) as session:
        CatalogWriter(session).add_contexts("first", [context_batch(np.array([33]))], document_names=NAMES)
    assert set(read(engine, kept, [32, 33])) == {32, 33}


def test_blocks_not_asked_for_longest_make_room():
    blocks = [OpenBlock(number, (), bytes(100), 0, 2) for number in range(4)]
    kept = KeptBlocks(most_bytes=300)
    kept.keep_blocks("h", blocks[:3])
    kept.blocks("h", [0])
    kept.keep_blocks("h", [blocks[3], blocks[3]])
    assert set(kept.blocks("h", range(4))) == {0, 2, 3}
    assert kept.blocks("another", range(4)) == {}
