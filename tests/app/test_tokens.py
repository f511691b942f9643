"""Token text: readable in any script, harmless, visible."""

from app.pages.tokens import TokenText, readable
from catalog.tokens import Vocabulary

EMOJI = "🎉".encode()
TOKENS = [b"<bos>", b" the", b"\n", b"\t", EMOJI[:2], EMOJI[2:], "\u202e".encode(), b"  ", b"", b"<script>"]
TEXT = TokenText(Vocabulary.of("h", TOKENS, frozenset({0})))


def test_a_character_split_over_tokens_is_whole_in_a_run():
    assert "".join(TEXT.texts([1, 4, 5, 1])) == " the🎉 the"


def test_newlines_and_tabs_are_visible_and_spaces_stay():
    assert TEXT.texts([2, 3, 1]) == ["↵", "→", " the"]


def test_direction_controls_are_spelled_out():
    assert TEXT.texts([6]) == ["⟨U+202E⟩"]
    assert readable("\u2066\u200f\u061c") == "⟨U+2066⟩⟨U+200F⟩⟨U+061C⟩"


def test_control_characters_have_pictures():
    assert readable("\x00\x1b\x7f") == "␀␛␡"


def test_joiners_that_scripts_need_are_left_alone():
    assert readable("👩\u200d🔬 می\u200cخواهم") == "👩\u200d🔬 می\u200cخواهم"


def test_a_chip_shows_each_space_as_a_dot_the_leading_ones_apart():
    chip = TEXT.chip(1)
    assert (chip.dots, chip.rest, chip.text) == ("·", "the", "·the")
    assert TEXT.chip(7).dots == "··"


def test_a_chip_of_half_a_character_shows_its_bytes():
    assert TEXT.chip(4).text == "\\xF0\\x9F"


def test_special_and_unknown_tokens_are_marked():
    assert TEXT.chip(0).special
    assert TEXT.chip(99).special
    assert not TEXT.chip(9).special


def test_an_empty_token_says_so():
    assert TEXT.chip(8).text == "⟨empty⟩"
