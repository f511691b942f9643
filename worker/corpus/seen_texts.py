"""Which texts a build has met already, in eight bytes a text."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_FRESH_AT_MOST = 65_536


def text_key(content: str | Sequence[Mapping[str, Any]]) -> int:
    """64 bits of a BLAKE2 hash of a text or of a conversation's messages.

    Among ten million texts, the chance that any two different ones share a key is below one in 300,000.
    """
    text = content if isinstance(content, str) else json.dumps(list(content), sort_keys=True, default=str)
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


class SeenTexts:
    """A set of keys that only grows: a sorted array, and a small set of what came since it was sorted."""

    def __init__(self) -> None:
        self._sorted = np.empty(0, np.uint64)
        self._fresh: set[int] = set()

    def __len__(self) -> int:
        return len(self._sorted) + len(self._fresh)

    def add(self, key: int) -> bool:
        """Whether the key is new; it is not afterwards."""
        if key in self._fresh or self._holds(key):
            return False
        self._fresh.add(key)
        # Merging costs the whole array, so the fresh part may grow with it.
        if len(self._fresh) >= max(_FRESH_AT_MOST, len(self._sorted) // 8):
            fresh = np.fromiter(self._fresh, np.uint64, len(self._fresh))
            self._sorted = np.sort(np.concatenate([self._sorted, fresh]))
            self._fresh.clear()
        return True

    def _holds(self, key: int) -> bool:
        place = int(np.searchsorted(self._sorted, np.uint64(key)))
        return place < len(self._sorted) and int(self._sorted[place]) == key
