"""Token ids as text fit for a page. It knows Unicode, and nothing of features.

The catalog's vocabulary turns ids into text; that text is hostile. Whitespace other than spaces,
direction controls and invisible characters are replaced by visible signs here; templates escape the rest.
"""

from functools import lru_cache
from typing import NamedTuple

from catalog.tokens import Vocabulary

NEWLINE = "↵"
TAB = "→"
SPACE = "·"
UNFINISHED = "▯"
_DIRECTION_CONTROLS = (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_INVISIBLE = (0xAD, 0x200B, 0x2028, 0x2029, 0x2060, 0xFEFF, *range(0x80, 0xA0))


class TokenChip(NamedTuple):
    """One token out of context. text: with every space as a dot; id: in the tokenizer; special: a marker.

    dots: the leading spaces of `text` as dots, printed faint; rest: what follows them.
    """

    id: int
    text: str
    special: bool
    dots: str
    rest: str


class TokenText:
    """The readable text of the tokens of one vocabulary; chips are made once and kept."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._chips: dict[int, TokenChip] = {}
        self._whole: dict[int, str] = {}
        self.special_ids = vocabulary.special_ids

    def chip(self, token_id: int) -> TokenChip:
        """The token alone, as in a list of promoted tokens."""
        chip = self._chips.get(token_id)
        if chip is None:
            chip = self._chips[token_id] = self._make_chip(token_id)
        return chip

    def texts(self, token_ids: list[int]) -> list[str]:
        """Readable text of each token of a run; joined, they are the text of the run.

        A character spread over several tokens belongs to the last of them; the others are empty.
        """
        whole = self._whole
        try:
            return [whole[token_id] for token_id in token_ids]
        except KeyError:
            pass
        texts = [readable(text) for text in self.vocabulary.texts(token_ids)]
        for token_id, text in zip(token_ids, texts, strict=True):
            if self.vocabulary.is_whole(token_id):
                whole[token_id] = text
        return texts

    def _make_chip(self, token_id: int) -> TokenChip:
        text = (readable(self.vocabulary.text(token_id)) or "⟨empty⟩").replace(" ", SPACE)
        rest = text.lstrip(SPACE)
        special = self.vocabulary.is_special(token_id)
        return TokenChip(token_id, text, special, SPACE * (len(text) - len(rest)), rest)


@lru_cache(maxsize=1 << 17)
def readable(text: str) -> str:
    """Text with whitespace other than spaces, direction controls and invisible characters made visible."""
    return text.translate(_VISIBLE)


def _visible_characters() -> dict[int, str]:
    """What to print in place of each character that would be invisible or would reorder its neighbours."""
    pictures = {code: chr(0x2400 + code) for code in range(0x20)}
    named = {code: f"⟨U+{code:04X}⟩" for code in (*_DIRECTION_CONTROLS, *_INVISIBLE)}
    return {**pictures, 0x7F: "␡", **named, 0x0A: NEWLINE, 0x0D: "␍", 0x09: TAB}


_VISIBLE = _visible_characters()
