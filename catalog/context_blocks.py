"""Contexts in blocks of sixteen neighbours, each block one deflated run of bytes.

A block of real text takes about half of what its token ids take as 16-bit numbers, and reading one is some twenty
microseconds, so the sixty contexts of a feature page come from one query and a few milliseconds.
"""

import struct
import zlib
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from catalog.errors import BadRecord, CorruptRow
from catalog.records import ContextBatch

BLOCK_SIZE = 16
VERSION = 2
_HEADER = struct.Struct("<BBB")
_LEVEL = 6


class StoredContext(NamedTuple):
    """One context as stored: its document's number instead of its name. A tuple, for a page reads dozens."""

    document_id: int
    start: int
    token_ids: NDArray[np.int64]


def split_batch(batch: ContextBatch) -> dict[int, dict[int, StoredContext]]:
    """The contexts of a batch by block and id. Raises BadRecord where its arrays do not fit each other."""
    n = len(batch.context_ids)
    sizes = {len(batch.document_ids), len(batch.starts), len(batch.lengths), len(batch.token_ids)}
    if sizes != {n} or (n and batch.lengths.max() > batch.token_ids.shape[1]):
        raise BadRecord(
            f"A batch of {n} contexts has arrays of {sorted(sizes)} rows and token ids of shape "
            f"{batch.token_ids.shape}; each must have a row a context, and room for its length."
        )
    blocks: dict[int, dict[int, StoredContext]] = {}
    columns = (batch.context_ids, batch.document_ids, batch.starts, batch.lengths)
    rows = zip(*(column.tolist() for column in columns), batch.token_ids, strict=True)
    for context_id, document_id, start, length, token_ids in rows:
        stored = StoredContext(document_id, start, token_ids[:length])
        blocks.setdefault(context_id // BLOCK_SIZE, {})[context_id] = stored
    return blocks


def pack_block(contexts: Mapping[int, StoredContext]) -> bytes:
    """The contexts of one block, by id: places in the block, documents, starts, lengths, then all token ids."""
    ids = sorted(contexts)
    rows = [contexts[i] for i in ids]
    tokens = np.concatenate([row.token_ids for row in rows])
    if tokens.min(initial=0) < 0 or tokens.max(initial=0) >= 2**32:
        raise BadRecord(f"Context {ids[0]} or a near one holds a token id outside 0 to 4294967295.")
    width = 2 if tokens.max(initial=0) < 2**16 else 4
    numbers = (
        *(row.document_id for row in rows),
        *(row.start for row in rows),
        *(len(row.token_ids) for row in rows),
    )
    try:
        head = _head(len(ids)).pack(*(i % BLOCK_SIZE for i in ids), *numbers)
    except struct.error as error:
        raise BadRecord(f"Context {ids[0]} or a near one has a document or a place outside 0 to 4294967295.") from error
    body = head + tokens.astype(f"<u{width}").tobytes()
    return _HEADER.pack(VERSION, width, len(ids)) + zlib.compress(body, _LEVEL)


def unpack_block(block: int, packed: bytes, wanted: Container[int] | None = None) -> dict[int, StoredContext]:
    """Undoes `pack_block`, for the ids that are wanted; None wants all.

    Raises CorruptRow where the bytes are damaged or of another version.
    """
    return open_block(block, packed).contexts(wanted)


@dataclass(frozen=True, slots=True, eq=False)
class OpenBlock:
    """A block inflated. numbers: places in the block, documents, starts and lengths; tokens start at `offset`."""

    block: int
    numbers: tuple[int, ...]
    body: bytes
    offset: int
    width: int

    @property
    def size(self) -> int:
        """About the bytes it takes in memory."""
        return len(self.body) + 40 * len(self.numbers)

    def contexts(self, wanted: Container[int] | None = None) -> dict[int, StoredContext]:
        """Its contexts by id, those that are wanted; None wants all."""
        n, numbers, offset = len(self.numbers) // 4, self.numbers, self.offset
        kind, first = f"<u{self.width}", self.block * BLOCK_SIZE
        found: dict[int, StoredContext] = {}
        for row in range(n):
            length = numbers[3 * n + row]
            if wanted is None or first + numbers[row] in wanted:
                tokens = np.frombuffer(self.body, dtype=kind, offset=offset, count=length).astype(np.int64)
                found[first + numbers[row]] = StoredContext(numbers[n + row], numbers[2 * n + row], tokens)
            offset += length * self.width
        return found


def open_block(block: int, packed: bytes) -> OpenBlock:
    """Inflate a packed block. Raises CorruptRow where the bytes are damaged or of another version."""
    try:
        version, width, n = _HEADER.unpack_from(packed)
        if version != VERSION:
            raise CorruptRow(
                f"Context block {block} is of version {version}; this code reads {VERSION}. Update the code."
            )
        body = zlib.decompress(memoryview(packed)[_HEADER.size :])
        head = _head(n)
        numbers = head.unpack_from(body)
    except (zlib.error, struct.error, TypeError) as error:
        raise CorruptRow(f"Context block {block} is damaged: {error}.") from error
    expected = head.size + width * sum(numbers[3 * n :])
    if width not in (2, 4) or expected != len(body):
        raise CorruptRow(f"Context block {block} is damaged: it has {len(body)} bytes instead of {expected}.")
    return OpenBlock(block, numbers, body, head.size, width)


@cache
def _head(n: int) -> struct.Struct:
    return struct.Struct(f"<{n}B{3 * n}I")
