"""Contexts in blocks of sixteen neighbours, each block one deflated run of bytes.

A block of real text takes about half of what its token ids take as 16-bit numbers, and reading one is some tens of
microseconds, so the sixty contexts of a feature page come from one query and a few milliseconds.
"""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog.errors import BadRecord, CorruptRow
from catalog.records import ContextBatch
from catalog.varints import decode_varints, encode_varints

BLOCK_SIZE = 16
VERSION = 1
_HEADER = struct.Struct("<BBI")
_LEVEL = 6


@dataclass(frozen=True, slots=True, eq=False)
class StoredContext:
    """One context as stored: its document's number instead of its name."""

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
    """The contexts of one block, by id."""
    ids = sorted(contexts)
    rows = [contexts[i] for i in ids]
    numbers = [
        len(ids),
        *(i % BLOCK_SIZE for i in ids),
        *(row.document_id for row in rows),
        *(row.start for row in rows),
        *(len(row.token_ids) for row in rows),
    ]
    head = encode_varints(np.array(numbers, dtype=np.int64))
    tokens = np.concatenate([row.token_ids for row in rows])
    if tokens.min(initial=0) < 0 or tokens.max(initial=0) >= 2**32:
        raise BadRecord(f"Context {ids[0]} or a near one holds a token id outside 0 to 4294967295.")
    width = 2 if tokens.max(initial=0) < 2**16 else 4
    body = head + tokens.astype(f"<u{width}").tobytes()
    return _HEADER.pack(VERSION, width, len(head)) + zlib.compress(body, _LEVEL)


def unpack_block(block: int, packed: bytes) -> dict[int, StoredContext]:
    """Undoes `pack_block`. Raises CorruptRow where the bytes are damaged or of another version."""
    try:
        version, width, n_head = _HEADER.unpack_from(packed)
        if version != VERSION:
            raise CorruptRow(
                f"Context block {block} is of version {version}; this code reads {VERSION}. Update the code."
            )
        body = zlib.decompress(packed[_HEADER.size :])
        numbers = decode_varints(body[:n_head])
        n = int(numbers[0])
        places, documents, starts, lengths = numbers[1:].reshape(4, n).tolist()
        tokens = np.frombuffer(body, dtype=f"<u{width}", offset=n_head).astype(np.int64)
    except (zlib.error, struct.error, ValueError, IndexError) as error:
        raise CorruptRow(f"Context block {block} is damaged: {error}.") from error
    ends = np.cumsum(lengths).tolist()
    rows = zip(places, documents, starts, lengths, ends, strict=True)
    return {
        block * BLOCK_SIZE + place: StoredContext(document, start, tokens[end - length : end])
        for place, document, start, length, end in rows
    }
