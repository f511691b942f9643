"""Folds the licence headers of source files, which say the same thing in every file."""

import re

_COMMENT_BLOCK = re.compile(r"(?:[ \t]*#[^\n]*\n)+")
_LEGAL = re.compile(r"copyright|licen[cs]e|all rights reserved", re.IGNORECASE)
_BLANK_LINES = re.compile(r"\s*\n")


def without_licence_header(text: str) -> str:
    """The text without the comment blocks at its top, when one of them is about licensing.

    Comment blocks before the first other line are looked at; those that name a
    copyright or a licence are left out, and so are the shebang and coding lines
    beside them. A text whose top comments speak of something else is unchanged.
    """
    kept: list[str] = []
    position = 0
    while True:
        if blank := _BLANK_LINES.match(text, position):
            position = blank.end()
        block = _COMMENT_BLOCK.match(text, position)
        if block is None:
            break
        if not _LEGAL.search(block.group()):
            kept.append(block.group())
        position = block.end()
    return "\n".join([*kept, text[position:]]) if kept else text[position:]
