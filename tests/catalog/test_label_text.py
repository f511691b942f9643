"""What a label may say: every script, no more than the limits, and nothing that hides."""

import pytest

from catalog.errors import BadLabel
from catalog.label_text import LONGEST_NOTE, LONGEST_TEXT, label_content


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("  two\n words\t", "two words"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("a\x00b\x1b[31m", "ab[31m"),
        ("safe\u202etxt.exe", "safetxt.exe"),
        ("\u2066inside\u2069", "inside"),
        ("half \ud800 pair", "half pair"),
        ("שלום עולם", "שלום עולם"),
        ("e\u0301tude", "\u00e9tude"),
        ("👩\u200d🔬", "👩\u200d🔬"),
        ("аdmin", "аdmin"),
    ],
)
def test_letters_stay_and_what_hides_goes(given: str, kept: str):
    assert label_content(given).text == kept


@pytest.mark.parametrize("empty", ["", " \n ", "\u200b", "\u202e", "\x00", "\u0301"])
def test_a_label_has_to_say_something(empty: str):
    with pytest.raises(BadLabel, match="has to say something"):
        label_content(empty)


def test_limits_are_kept_to_the_letter_and_named():
    assert len(label_content("x" * LONGEST_TEXT, note="y" * LONGEST_NOTE).text) == LONGEST_TEXT
    with pytest.raises(BadLabel, match="This label has 10,000 characters; a label may have 500 at most"):
        label_content("x" * 10_000)
    with pytest.raises(BadLabel, match="This note has 10,000 characters; a note may have 2,000 at most"):
        label_content("x", note="y" * 10_000)
    with pytest.raises(BadLabel, match="13 tags; a label may have 12 at most"):
        label_content("x", tags=",".join("abcdefghijklm"))
    with pytest.raises(BadLabel, match="This tag has 41 characters"):
        label_content("x", tags=["t" * 41])


@pytest.mark.parametrize("percent", [-1, 101, 10**400])
def test_a_confidence_is_a_percentage(percent: int):
    with pytest.raises(BadLabel, match="from 0 to 100"):
        label_content("x", confidence=percent)


def test_tags_are_lower_case_and_named_once():
    assert label_content("x", tags=" Code, code ,, Python 3,").tags == ("code", "python 3")
    assert label_content("x", tags=["A,b", "a"]).tags == ("a", "b")


def test_a_note_keeps_its_lines():
    assert label_content("x", note=" one \r\n\n\n\ntwo\x07  three\n\n").note == "one\n\ntwo three"
