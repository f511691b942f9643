"""A small made-up corpus and its tokenizer: English, code, other scripts, and text that means harm."""

import random
import re

import numpy as np

from catalog.records import ContextRecord

N_CTX = 64
BOS, PAD = "<|bos|>", "<|pad|>"

SENTENCES = (
    "The old lighthouse keeper counted the ships as they passed.",
    "Rain fell on the harbour all night, and nobody slept.",
    "She opened the letter slowly, because she knew the hand.",
    "In March the river rose by 12 centimetres a day.",
    "The committee published its report on 4 May 1987.",
    "He bought bread, cheese and two bottles of milk.",
    "A triangle has three sides; a square has four.",
    "They walked along the river until the lights went out.",
    "Nothing is so painful as a great and sudden change.",
    "The bank of the river was steep, the bank in town was closed.",
    "import os\nimport sys\n\ndef main(argv):\n    return len(argv)\n",
    "from collections import Counter\n\ncounts = Counter(words)\n",
    "def area(width, height):\n\treturn width * height\n",
    "for line in lines:\n    if not line.strip():\n        continue\n    print(line)\n",
    "class Buffer:\n    def __init__(self, size=1024):\n        self.size = size\n",
    "try:\n    value = int(text)\nexcept ValueError as error:\n    raise SystemExit(str(error))\n",
    "Der alte Turm steht seit 1640 über der Stadt.",
    "كتب الطالب الدرس في المساء.",
    "הספר החדש נמצא על השולחן.",
    "今日は天気がいいですね。",
    "Party tonight 🎉🎉 bring snacks 🍕 and music 🎶!",
    "Naïve café owners prefer crème brûlée.",
    "See https://example.org/a?b=1&c=2 for the details.",
    '<script>alert("1")</script> & \'quoted\' "text" </bdi></p>',
    "Left \u202eto right\u202c and zero\u200bwidth marks.",
)
_PIECE = re.compile(r"<\|[a-z]+\|>| ?[A-Za-z_]+| ?\d+| ?[^\sA-Za-z_\d]+|\s+(?!\S)|\s+")


class SyntheticTokenizer:
    """Whole ASCII pieces are tokens of their own; all else goes to pairs of bytes and single bytes."""

    def __init__(self, texts: tuple[str, ...]) -> None:
        pieces = sorted({piece for text in texts for piece in _PIECE.findall(text) if piece.isascii()})
        self.token_bytes = [BOS.encode(), PAD.encode(), *(bytes([byte]) for byte in range(256))]
        self.token_bytes += [piece.encode() for piece in pieces if len(piece) > 1]
        self.special_ids = frozenset({0, 1})
        self._ids = {raw: i for i, raw in enumerate(self.token_bytes) if i not in self.special_ids}

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without BOS."""
        ids: list[int] = []
        for piece in _PIECE.findall(text):
            raw = piece.encode()
            ids += [self._ids[raw]] if raw in self._ids else [self._ids[bytes([byte])] for byte in raw]
        return ids

    def id_of(self, piece: str) -> int:
        """Id of a piece that is one token."""
        return self._ids[piece.encode()]


def documents(n: int, *, seed: int = 0) -> list[tuple[str, str]]:
    """Names and texts of n documents."""
    draw = random.Random(seed)
    made = []
    for number in range(n):
        parts = draw.choices(SENTENCES, k=draw.randint(5, 12))
        made.append((f"stories/{number:03d}.txt", " ".join(parts)))
    return made


def contexts(tokenizer: SyntheticTokenizer, made: list[tuple[str, str]]) -> list[ContextRecord]:
    """The documents cut into contexts of N_CTX tokens, BOS first, the tail kept short."""
    records = []
    for number, (name, text) in enumerate(made):
        ids = tokenizer.encode(text)
        for start in range(0, len(ids), N_CTX - 1):
            window = np.array([0, *ids[start : start + N_CTX - 1]], dtype=np.int64)
            records.append(ContextRecord(len(records), name, number, start, window))
    return records
