"""Wordings are compared word by word, and no text makes that slow."""

import pytest

from app.pages.word_diff import word_diff

WORDS = ["", "cats", "the cats", "cats in stories", "black cats in stories", "a b a b a", "b a b", "x " * 300 + "y"]


@pytest.mark.parametrize("old", WORDS)
@pytest.mark.parametrize("new", WORDS)
def test_the_pieces_make_up_both_texts(old: str, new: str):
    pieces = word_diff(old, new)
    assert "".join(piece.text for piece in pieces if piece.kind != "gone").split() == new.split()
    assert "".join(piece.text for piece in pieces if piece.kind != "new").split() == old.split()


def test_only_what_changed_is_marked():
    told = [(piece.kind, piece.text) for piece in word_diff("cats in stories", "black cats in old stories")]
    assert told == [("new", "black"), ("same", " cats in"), ("new", " old"), ("same", " stories")]
    told = [(piece.kind, piece.text) for piece in word_diff("the word cats", "the word dogs")]
    assert told == [("same", "the word"), ("gone", " cats"), ("new", " dogs")]


def test_texts_too_long_to_compare_are_told_as_wholly_different_between_what_is_alike():
    old, new = "start " + "a b " * 400 + "end", "start " + "b c " * 400 + "end"
    assert [piece.kind for piece in word_diff(old, new)] == ["same", "gone", "new", "same"]
