"""Token ids as text that people read: bytes decoded across token boundaries. Whitespace is left as it is."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from catalog.errors import CorruptRow
from catalog.varints import decode_varints, encode_varints

CONTINUED = ""
"""Text of a token whose bytes belong to a character that a later token completes."""
_LONGEST_CHARACTER = 4


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary(Sequence[bytes]):
    """The raw bytes of every token of one tokenizer, as a sequence by id.

    data: all tokens' bytes one after the other; token i is data[offsets[i]:offsets[i + 1]].
    special_ids: ids of tokens that stand for no text (BOS, padding); their bytes are their names.
    """

    tokenizer_hash: str
    data: bytes
    offsets: NDArray[np.int64]
    special_ids: frozenset[int]
    _alone: dict[int, str | None] = field(default_factory=dict, repr=False)
    _searched: list[str] = field(default_factory=list, repr=False)

    @classmethod
    def of(cls, tokenizer_hash: str, tokens: Sequence[bytes], special_ids: frozenset[int]) -> "Vocabulary":
        """The vocabulary of a list of byte strings, one for each id from 0."""
        lengths = np.fromiter((len(token) for token in tokens), dtype=np.int64, count=len(tokens))
        offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
        return cls(tokenizer_hash, b"".join(tokens), offsets, frozenset(special_ids))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, token_id: int) -> bytes:
        if not 0 <= token_id < len(self):
            raise IndexError(token_id)
        return self.data[self.offsets[token_id] : self.offsets[token_id + 1]]

    def __iter__(self) -> Iterator[bytes]:
        bounds = self.offsets.tolist()
        return (self.data[start:stop] for start, stop in pairwise(bounds))

    def is_special(self, token_id: int) -> bool:
        """Whether the token stands for no text: named special, or an id the tokenizer does not know."""
        return token_id in self.special_ids or not 0 <= token_id < len(self)

    def text(self, token_id: int) -> str:
        r"""One token alone; bytes that are no whole character are shown as \xNN."""
        alone = self._decoded(token_id)
        return _escape(self[token_id]) if alone is None else alone

    def texts(self, token_ids: Sequence[int] | NDArray[np.integer]) -> list[str]:
        r"""Text of each token in a run of tokens.

        A character spread over several tokens is shown on the token that completes it, and the ones before it
        get CONTINUED, the empty string; bytes that are no UTF-8 are shown as \xNN on the token that holds them.
        """
        ids = token_ids.tolist() if isinstance(token_ids, np.ndarray) else list(token_ids)
        known = self._alone
        texts = [known[i] if i in known else self._decoded(i) for i in ids]
        place = 0
        while None in texts[place:]:
            start = texts.index(None, place)
            place = next((i for i in range(start, len(texts)) if texts[i] is not None), len(texts))
            texts[start:place] = _decode_run([self[i] for i in ids[start:place]])
        return [text or CONTINUED for text in texts]

    def _decoded(self, token_id: int) -> str | None:
        if token_id not in self._alone:
            self._alone[token_id] = self._decode(token_id)
        return self._alone[token_id]

    def _decode(self, token_id: int) -> str | None:
        if not 0 <= token_id < len(self):
            return f"⟨unused {token_id}⟩"
        try:
            return self[token_id].decode()
        except UnicodeDecodeError:
            return None

    def is_whole(self, token_id: int) -> bool:
        """Whether the token's text is the same wherever it stands: its bytes are whole characters."""
        return self._decoded(token_id) is not None

    def containing(self, text: str) -> list[int]:
        """Ids of the tokens whose text alone contains the text, letter case ignored."""
        if len(self._searched) < len(self):
            self._searched[:] = [searchable(self.text(token_id)) for token_id in range(len(self))]
        wanted = searchable(text)
        return [token_id for token_id, each in enumerate(self._searched) if wanted in each]

    def to_bytes(self) -> bytes:
        """The vocabulary as it is stored: lengths and special ids as varints, then the bytes, deflated."""
        special = np.sort(np.fromiter(self.special_ids, dtype=np.int64, count=len(self.special_ids)))
        numbers = np.concatenate([[len(self), len(special)], special, np.diff(self.offsets)])
        head = encode_varints(numbers.astype(np.int64))
        return zlib.compress(len(head).to_bytes(4, "little") + head + self.data, 6)

    @classmethod
    def from_bytes(cls, tokenizer_hash: str, stored: bytes) -> "Vocabulary":
        """Reads what `to_bytes` wrote. Raises CorruptRow where it is damaged."""
        try:
            raw = zlib.decompress(stored)
        except zlib.error as error:
            raise CorruptRow(f"The stored vocabulary of tokenizer {tokenizer_hash!r} is damaged: {error}.") from error
        end = 4 + int.from_bytes(raw[:4], "little")
        numbers = decode_varints(raw[4:end])
        n_special = int(numbers[1])
        offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(numbers[2 + n_special :])])
        return cls(tokenizer_hash, raw[end:], offsets, frozenset(numbers[2 : 2 + n_special].tolist()))


def searchable(text: str) -> str:
    """Text as it is compared when searching: letter case folded, without the zeros that PostgreSQL cannot hold."""
    return text.casefold().replace("\x00", "")


def _escape(raw: bytes) -> str:
    return "".join(f"\\x{byte:02X}" for byte in raw)


def _decode_run(tokens: list[bytes]) -> list[str]:
    """Texts of neighbouring tokens none of which is whole characters by itself."""
    owners = [owner for owner, token in enumerate(tokens) for _ in token]
    raw = b"".join(tokens)
    texts = [""] * len(tokens)
    place = 0
    while place < len(raw):
        character = _character_at(raw, place)
        size = 1 if character is None else len(character.encode())
        texts[owners[place + size - 1]] += _escape(raw[place : place + 1]) if character is None else character
        place += size
    return texts


def _character_at(raw: bytes, place: int) -> str | None:
    """The character whose first byte is at the place, or None where there is none."""
    for size in range(1, _LONGEST_CHARACTER + 1):
        try:
            return raw[place : place + size].decode()
        except UnicodeDecodeError:
            continue
    return None
