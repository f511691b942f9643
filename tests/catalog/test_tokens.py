"""Token ids as text, across token boundaries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import CorruptRow
from catalog.tokens import Vocabulary

EURO = "€".encode()
TOKENS = [b"<bos>", b"def", b" x", EURO[:1], EURO[1:], b"\xff", b"\n", b"", "東".encode() + EURO[:2], EURO[2:]]
VOCABULARY = Vocabulary.of("hash", TOKENS, frozenset({0}))


def test_a_character_over_two_tokens_is_shown_on_the_one_that_completes_it():
    assert VOCABULARY.texts([2, 3, 4, 1]) == [" x", "", "€", "def"]


def test_a_token_that_ends_one_character_and_begins_another_shows_the_whole_one():
    assert VOCABULARY.texts([8, 9]) == ["東", "€"]


def test_bytes_that_are_no_character_are_shown_as_hexadecimal_on_their_token():
    assert VOCABULARY.texts([3, 1]) == ["\\xE2", "def"]
    assert VOCABULARY.texts([5, 3, 4]) == ["\\xFF", "", "€"]
    assert VOCABULARY.texts([4]) == ["\\x82\\xAC"]
    assert VOCABULARY.text(4) == "\\x82\\xAC"


def test_whitespace_is_left_to_the_page():
    assert VOCABULARY.texts([6, 2]) == ["\n", " x"]


def test_special_and_unknown_ids_are_flagged():
    assert VOCABULARY.is_special(0) and not VOCABULARY.is_special(1)
    assert VOCABULARY.is_special(99)
    assert VOCABULARY.texts([99]) == ["⟨unused 99⟩"]


def test_a_vocabulary_is_a_sequence_of_bytes():
    assert list(VOCABULARY) == TOKENS
    assert len(VOCABULARY) == len(TOKENS)
    assert VOCABULARY[1] == b"def"
    with pytest.raises(IndexError):
        VOCABULARY[len(TOKENS)]


@given(st.lists(st.binary(max_size=6), max_size=20), st.sets(st.integers(0, 19)))
def test_a_stored_vocabulary_is_the_same(tokens: list[bytes], special: set[int]):
    written = Vocabulary.of("hash", tokens, frozenset(special))
    read = Vocabulary.from_bytes("hash", written.to_bytes())
    assert list(read) == tokens and read.special_ids == special


@given(st.text(max_size=30), st.lists(st.integers(1, 4), min_size=1, max_size=40))
def test_text_cut_anywhere_is_whole_again_when_joined(text: str, cuts: list[int]):
    raw, tokens = text.encode(), []
    for size in cuts:
        tokens, raw = [*tokens, raw[:size]], raw[size:]
    tokens.append(raw)
    vocabulary = Vocabulary.of("hash", tokens, frozenset())
    assert "".join(vocabulary.texts(range(len(tokens)))) == text


def test_a_damaged_vocabulary_is_refused():
    with pytest.raises(CorruptRow, match="tokenizer 'abc' is damaged"):
        Vocabulary.from_bytes("abc", b"nonsense")
