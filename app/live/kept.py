"""Answers of workers kept for a while, so that a look from another side at the same text computes nothing anew."""

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from catalog.live_answers import LiveAnswer

MOST_BYTES = 128 * 2**20


class KeptAnswers:
    """By what was asked, dictionaries and harvests by their hashes and ids: such an answer never changes.

    Safe between threads.
    """

    def __init__(self, *, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, tuple[LiveAnswer, int]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, asked: Mapping[str, Any]) -> LiveAnswer | None:
        """The answer to that request, where it is kept."""
        key = _key(asked)
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def keep(self, asked: Mapping[str, Any], answer: LiveAnswer) -> None:
        """Keep an answer, and let go of those not asked for longest. One that is too great is not kept."""
        size, key = _size(answer), _key(asked)
        if size > self._most_bytes:
            return
        with self._lock:
            self._bytes += size - self._kept.pop(key, (None, 0))[1]
            self._kept[key] = (answer, size)
            while self._bytes > self._most_bytes:
                self._bytes -= self._kept.popitem(last=False)[1][1]


def _key(asked: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).digest()


def _size(answer: LiveAnswer) -> int:
    arrays = (getattr(found, field.name) for found in answer.results for field in fields(found))
    return 1024 + sum(getattr(array, "nbytes", 0) for array in arrays)
