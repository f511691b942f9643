"""What a label may say: its limits, and what is taken out of it. It knows no database.

Letters of every script are kept. Control characters and the overrides of writing direction are taken out: nobody sees
them, and they would let a label show something other than it says.
"""

import unicodedata
from collections.abc import Iterable

from catalog.errors import BadLabel
from catalog.label_records import LabelContent

LONGEST_TEXT = 500
LONGEST_NOTE = 2_000
LONGEST_REASON = 200
MOST_TAGS = 12
LONGEST_TAG = 40
_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\ufff9\ufffa\ufffb")
_TAKEN_OUT = frozenset({"Cc", "Cs"})


def label_content(
    text: str, *, note: str = "", tags: str | Iterable[str] = (), confidence: int | None = None
) -> LabelContent:
    """A label as it is stored. tags: a list, or one text with commas between them. confidence: percent, 0 to 100.

    Raises BadLabel naming the limit that is passed, and on a label without a visible letter or sign.
    """
    line = _limited(one_line(text), "label", LONGEST_TEXT)
    if not any(_is_visible(letter) for letter in line):
        raise BadLabel("A label has to say something; this one is empty.")
    if confidence is not None and not 0 <= confidence <= 100:
        raise BadLabel(f"The confidence is {confidence}; expected a percentage from 0 to 100, or nothing.")
    return LabelContent(line, _limited(lines(note), "note", LONGEST_NOTE), _tags(tags), confidence)


def reason_text(reason: str) -> str:
    """Why something was hidden. Raises BadLabel on one too long."""
    return _limited(one_line(reason), "reason", LONGEST_REASON)


def one_line(text: str) -> str:
    """The text without what nobody sees, runs of space made one."""
    return " ".join(_shown(text).split())


def lines(text: str) -> str:
    """The text without what nobody sees, its lines kept, at most one empty one between two."""
    kept: list[str] = []
    for line in _shown(text).replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        line = " ".join(line.split())
        if line or (kept and kept[-1]):
            kept.append(line)
    return "\n".join(kept).strip()


def _shown(text: str) -> str:
    kept = "".join(letter for letter in text if letter.isspace() or not _is_taken_out(letter))
    return unicodedata.normalize("NFC", kept)


def _is_taken_out(letter: str) -> bool:
    return letter in _OVERRIDES or unicodedata.category(letter) in _TAKEN_OUT


def _is_visible(letter: str) -> bool:
    return unicodedata.category(letter)[0] not in ("C", "Z", "M")


def _limited(text: str, name: str, most: int) -> str:
    if len(text) > most:
        raise BadLabel(f"This {name} has {len(text):,} characters; a {name} may have {most:,} at most.")
    return text


def _tags(given: str | Iterable[str]) -> tuple[str, ...]:
    words = given.split(",") if isinstance(given, str) else [part for each in given for part in each.split(",")]
    tags = tuple(dict.fromkeys(tag for word in words if (tag := one_line(word).casefold())))
    if len(tags) > MOST_TAGS:
        raise BadLabel(f"There are {len(tags)} tags; a label may have {MOST_TAGS} at most.")
    for tag in tags:
        _limited(tag, "tag", LONGEST_TAG)
    return tags
