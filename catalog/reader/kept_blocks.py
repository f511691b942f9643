"""Inflated blocks of contexts and names of documents, kept between requests: features share most of their contexts.

What a harvest refers to never changes: a block may only gain contexts, and is read again by who misses one.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping

from catalog.context_blocks import OpenBlock

MOST_BYTES = 64 * 2**20
MOST_NAMES = 200_000


class KeptBlocks:
    """The blocks read last, by harvest and number, up to `most_bytes`. Safe between threads."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._blocks: OrderedDict[tuple[str, int], OpenBlock] = OrderedDict()
        self._bytes = 0
        self._names: dict[tuple[str, int], str] = {}

    def blocks(self, harvest_id: str, numbers: Iterable[int]) -> dict[int, OpenBlock]:
        """Those of the blocks that are kept."""
        found: dict[int, OpenBlock] = {}
        with self._lock:
            for number in numbers:
                key = (harvest_id, number)
                block = self._blocks.get(key)
                if block is not None:
                    self._blocks.move_to_end(key)
                    found[number] = block
        return found

    def keep_blocks(self, harvest_id: str, blocks: Iterable[OpenBlock]) -> None:
        """Keep these, and let go of those not asked for longest."""
        with self._lock:
            for block in blocks:
                replaced = self._blocks.pop((harvest_id, block.block), None)
                self._bytes += block.size - (0 if replaced is None else replaced.size)
                self._blocks[harvest_id, block.block] = block
            while self._bytes > self._most_bytes and self._blocks:
                self._bytes -= self._blocks.popitem(last=False)[1].size

    def names(self, harvest_id: str, documents: Iterable[int]) -> dict[int, str]:
        """Those of the documents' names that are kept."""
        kept = self._names
        return {number: kept[harvest_id, number] for number in documents if (harvest_id, number) in kept}

    def keep_names(self, harvest_id: str, names: Mapping[int, str]) -> None:
        """Keep these."""
        with self._lock:
            if len(self._names) + len(names) > MOST_NAMES:
                self._names = {}
            self._names |= {(harvest_id, number): name for number, name in names.items()}
