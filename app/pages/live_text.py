"""Live text token by token: each with the features that are strongest under it, coloured by one where that is asked."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from app.live.fired import FiredFeatures
from app.live.state import Selection
from app.live.view import WINDOW, Line, LiveView, Read, Under
from app.pages.contexts import level_of
from app.pages.numbers import count, plural, share, significant
from app.pages.tokens import NEWLINE, SPACE, UNFINISHED, TokenText
from catalog.records import FeatureSummary


class UnderChip(NamedTuple):
    """A feature under a token. value: what a button sends to colour the text by it."""

    value: str
    name: str
    level: int
    tip: str
    is_chosen: bool


class GlossToken(NamedTuple):
    """One token. value: what its button sends to sort by it. level: 0 where nothing colours it.

    dots: its leading spaces, printed faint. begins: whether a context begins here; ends_line: whether a line ends.
    """

    value: str
    dots: str
    text: str
    level: int
    tip: str
    is_special: bool
    is_chosen: bool
    begins: bool
    ends_line: bool
    under: tuple[UnderChip, ...]


@dataclass(frozen=True, slots=True)
class TextSide:
    """One of the texts. lead: how long it is and how it was cut. empty: why there is nothing to see, or nothing.

    direction: "rtl" where the first letter is of a script that runs from right to left, else "ltr".

    window: which tokens are shown, where not all are; before, behind: first tokens of the windows beside it.
    """

    number: int
    title: str
    lead: str
    empty: str
    direction: str
    tokens: tuple[GlossToken, ...]
    window: str
    before: int | None
    behind: int | None


def text_side(view: LiveView, number: int, tokens: TokenText) -> TextSide:
    """The text of that number, 0 or 1, as the shown dictionaries see it."""
    found = view.shown[0].firings[number]
    n_tokens = len(found.token_ids)
    first = min(view.state.begin, max(0, (n_tokens - 1) // WINDOW * WINDOW))
    last = min(n_tokens, first + WINDOW)
    return TextSide(
        number=number,
        title=("First text", "Second text")[number] if len(view.state.texts) > 1 else "Tokens",
        lead=_lead(view, number),
        empty="" if n_tokens else "This text is empty, so there is nothing to read.",
        direction=direction_of(view.state.texts[number]),
        tokens=_tokens(view, number, tokens, span=(first, last)),
        window=f"tokens {count(first)} to {count(last - 1)} of {count(n_tokens)}" if n_tokens > WINDOW else "",
        before=max(0, first - WINDOW) if first else None,
        behind=last if last < n_tokens else None,
    )


def direction_of(text: str) -> str:
    """Which way the first letter of a text runs, as browsers find it for a field with `dir="auto"`."""
    kinds = (unicodedata.bidirectional(letter) for letter in text)
    return "rtl" if next((kind for kind in kinds if kind in ("L", "R", "AL")), "L") != "L" else "ltr"


def _lead(view: LiveView, number: int) -> str:
    dictionary, found = view.shown[0].dictionary, view.shown[0].firings[number]
    n_contexts, n_ctx = len(found.context_starts), dictionary.conventions.get("n_ctx")
    begins = "each beginning with BOS" if dictionary.conventions.get("prepend_bos") else "without BOS"
    cut = f" of at most {n_ctx} tokens, as the harvest cuts text" if view.state.mode == "cut" and n_contexts > 1 else ""
    if n_contexts == 1:
        begins = begins.removeprefix("each ")
    return f"{plural(len(found.token_ids), 'token')} in {plural(n_contexts, 'context')}{cut}, {begins}."


def _tokens(view: LiveView, number: int, tokens: TokenText, *, span: tuple[int, int]) -> tuple[GlossToken, ...]:
    found = view.shown[0].firings[number]
    token_ids = found.token_ids[span[0] : span[1]].tolist()
    texts = tokens.texts(token_ids)
    starts = frozenset(found.context_starts.tolist())
    colour = _colour(view, number)
    glossed = []
    for place, (token_id, text) in enumerate(zip(token_ids, texts, strict=True), start=span[0]):
        activation = colour.activations.get(place, 0.0)
        glossed.append(
            GlossToken(
                value=str(Selection(number, place, place)),
                dots=SPACE * (len(text) - len(text.lstrip(" "))),
                text=text.lstrip(" ") if text else UNFINISHED,
                level=level_of(activation, colour.maximum),
                tip=_tip(activation, token_id, place),
                is_special=token_id in tokens.special_ids,
                is_chosen=_is_chosen(view.state.at, number, place),
                begins=place in starts and place > 0,
                ends_line=NEWLINE in text,
                under=tuple(_under(each, view) for each in view.under[number].get(place, ())),
            )
        )
    return tuple(glossed)


class _Colour(NamedTuple):
    """What the text is coloured by: activations by position, and the feature's greatest anywhere."""

    activations: Mapping[int, float]
    maximum: float


def _colour(view: LiveView, number: int) -> _Colour:
    if view.coloured is None:
        return _Colour({}, 1.0)
    read, feature = view.coloured
    everywhere = [activations_of(each, feature) for each in read.fired]
    line = view.lines.get((read.dictionary.slug, feature))
    live = max((value for each in everywhere for value in each.values()), default=1.0)
    return _Colour(everywhere[number], line.peak if line is not None and line.peak > 0 else live)


def activations_of(fired: FiredFeatures, feature: int) -> dict[int, float]:
    """Activations of one feature by position."""
    row = fired.row(feature)
    if row is None:
        return {}
    here = fired.firings(row)
    return dict(zip(fired.positions[here].tolist(), fired.activations[here].tolist(), strict=True))


def _tip(activation: float, token_id: int, place: int) -> str:
    shown = f"{significant(activation)} · " if activation > 0 else ""
    return f"{shown}id {token_id} · position {place}"


def _is_chosen(at: Selection | None, number: int, place: int) -> bool:
    return at is not None and at.text == number and at.first <= place <= at.last


def _under(each: Under, view: LiveView) -> UnderChip:
    slug = each.read.dictionary.slug
    return UnderChip(
        value=f"{slug}/{each.feature}",
        name=f"{each.read.letter}{each.feature}",
        level=level_of(each.heat, 1.0),
        tip=" · ".join([part for part in (named(each.read, each.feature, view.lines), _strength(each)) if part]),
        is_chosen=view.coloured == (each.read, each.feature),
    )


def _strength(each: Under) -> str:
    return f"{significant(each.activation)}, {share(each.heat)} of its greatest"


def named(read: Read, feature: int, lines: Mapping[Line, FeatureSummary]) -> str:
    """A feature in words: its label where it has one, and its dictionary where there are several."""
    line = lines.get((read.dictionary.slug, feature))
    label = line.label if line is not None and line.label else f"feature {feature}"
    return f"{label}, {read.dictionary.name}" if read.letter else label
