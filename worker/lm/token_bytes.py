"""From a tokenizer's pieces to the bytes they stand for, so that text can be joined across token borders."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

_WORD_START = "▁"
_BYTE_PIECE_LENGTH = len("<0x00>")


def bytes_of_tokens(description: Mapping[str, Any], special_ids: frozenset[int], d_vocab: int) -> list[bytes]:
    """The bytes of every id from 0 to d_vocab - 1.

    description: tokenizer.json, parsed. Added tokens stand for their own text; ids without a token are empty.
    Knows byte-level BPE (GPT-2), SentencePiece with byte pieces (Llama), WordPiece and plain pieces.
    """
    table = [b""] * d_vocab
    to_bytes = _reader_of(description)
    for piece, token_id in _pieces(description["model"]):
        if token_id not in special_ids:
            table[token_id] = to_bytes(piece)
    for token in description.get("added_tokens", ()):
        table[token["id"]] = token["content"].encode()
    return table


def _pieces(model: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    vocabulary = model["vocab"]
    if isinstance(vocabulary, Mapping):
        yield from vocabulary.items()
    else:
        for token_id, (piece, _score) in enumerate(vocabulary):
            yield piece, token_id


def _reader_of(description: Mapping[str, Any]) -> Callable[[str], bytes]:
    """How this tokenizer's pieces are read, judged by its decoder, else by how it splits text."""
    steps = _step_types(description.get("decoder")) or _step_types(description.get("pre_tokenizer"))
    model = description["model"]
    if "ByteLevel" in steps:
        return _ByteLevel()
    if model.get("byte_fallback") or steps & {"Metaspace", "ByteFallback", "Replace"}:
        return _sentencepiece_bytes
    if "WordPiece" in steps:
        return _wordpiece_bytes
    if suffix := model.get("end_of_word_suffix"):
        return lambda piece: piece.replace(suffix, " ").encode()
    return str.encode


def _step_types(step: Mapping[str, Any] | None) -> set[str]:
    if not step:
        return set()
    inner = step.get("decoders") or step.get("pretokenizers") or ()
    return {step["type"]}.union(*map(_step_types, inner))


class _ByteLevel:
    """GPT-2's printable stand-ins for bytes, read backwards."""

    def __init__(self) -> None:
        printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
        others = [byte for byte in range(256) if byte not in printable]
        self._byte_of = {chr(byte): byte for byte in printable}
        self._byte_of |= {chr(256 + index): byte for index, byte in enumerate(others)}

    def __call__(self, piece: str) -> bytes:
        if all(character in self._byte_of for character in piece):
            return bytes(self._byte_of[character] for character in piece)
        return piece.encode()


def _sentencepiece_bytes(piece: str) -> bytes:
    if len(piece) == _BYTE_PIECE_LENGTH and piece.startswith("<0x") and piece.endswith(">"):
        return bytes([int(piece[3:5], 16)])
    return piece.replace(_WORD_START, " ").encode()


def _wordpiece_bytes(piece: str) -> bytes:
    return piece[2:].encode() if piece.startswith("##") else b" " + piece.encode()
