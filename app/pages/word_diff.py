"""Two wordings side by side, word by word."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

MOST_COMPARED = 40_000
"""Words that changed on the one side times those on the other, beyond which they are not compared one by one."""
_WORD = re.compile(r"\s*\S+")


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of words that both have, that only the old one has (gone), or only the new one (new)."""

    kind: Literal["same", "gone", "new"]
    text: str

    @property
    def words(self) -> str:
        """The text without the space before it."""
        return self.text.lstrip()

    @property
    def space(self) -> str:
        """The space before the words."""
        return self.text[: len(self.text) - len(self.words)]


def word_diff(old: str, new: str) -> tuple[Piece, ...]:
    """The pieces in reading order: those of kind same and gone are the old text, same and new the new one.

    Where only the space between words differs, that of the new text is shown.
    """
    before, after = _WORD.findall(old), _WORD.findall(new)
    head = _alike(before, after)
    tail = _alike(before[head:][::-1], after[head:][::-1])
    middle = _middle(before[head : len(before) - tail], after[head : len(after) - tail])
    return _pieces(("same", after[:head]), *middle, ("same", after[len(after) - tail :]))


Run = tuple[Literal["same", "gone", "new"], Sequence[str]]


def _alike(before: Sequence[str], after: Sequence[str]) -> int:
    """How many words at the start are the same."""
    n = 0
    for one, other in zip(before, after, strict=False):
        if one.strip() != other.strip():
            break
        n += 1
    return n


def _middle(before: Sequence[str], after: Sequence[str]) -> list[Run]:
    if len(before) * len(after) > MOST_COMPARED:
        return [("gone", before), ("new", after)]
    runs: list[Run] = []
    words = [[word.strip() for word in side] for side in (before, after)]
    for tag, i, j, k, m in SequenceMatcher(None, *words, autojunk=False).get_opcodes():
        if tag == "equal":
            runs.append(("same", after[k:m]))
        else:
            runs.extend((("gone", before[i:j]), ("new", after[k:m])))
    return runs


def _pieces(*runs: Run) -> tuple[Piece, ...]:
    """A space before each piece but the first, also where its words stood at the start of their own text."""
    pieces: list[Piece] = []
    for kind, words in runs:
        text = "".join(words)
        if text:
            pieces.append(Piece(kind, text if not pieces or text[0].isspace() else f" {text}"))
    return tuple(pieces)
