"""Contexts of one feature as lines of text with heat. It knows records and token text, not HTML.

Heat is activation over the feature's harvest maximum, in ten levels; any firing is at least level 1.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from app.pages.numbers import significant
from app.pages.tokens import NEWLINE, SPACE, UNFINISHED, TokenChip, TokenText
from catalog.records import ContextRecord, ContextSet

TOKENS_BEFORE = 24
TOKENS_AFTER = 8
FOLD_TOKENS = 8
LEVELS = 10
SILENT = -1


class Segment(NamedTuple):
    """A stretch of text. level 0: silent; 1 to 10: one firing token, with its tip (value, id, position)
    and its position in the context.

    A tuple, for a page makes hundreds of them.
    """

    text: str
    level: int = 0
    tip: str = ""
    special: bool = False
    position: int = SILENT


class ContextLine(NamedTuple):
    """One context around its peak: 24 tokens before it, the peak itself and 8 after."""

    id: int
    document: str
    peak: str
    position: int
    before: tuple[Segment, ...]
    from_peak: tuple[Segment, ...]


class FoldedLines(NamedTuple):
    """Lines that agree on the 8 tokens up to the peak: the strongest, and the others behind it."""

    first: ContextLine
    others: tuple[ContextLine, ...]


@dataclass(frozen=True, slots=True)
class SilentLine:
    """A control: the beginning of a context in which the feature is silent, and why it was chosen."""

    id: int
    document: str
    segments: tuple[Segment, ...]
    reason: str
    related_token: TokenChip | None
    related_feature: int | None
    is_near_miss: bool


@dataclass(frozen=True, slots=True)
class FiringRow:
    """One firing token as a row of a table."""

    position: int
    token_id: int
    text: str
    activation: str
    level: int


@dataclass(frozen=True, slots=True)
class WholeContext:
    """A context from its first token to its last, with every firing token."""

    id: int
    document: str
    start: int
    n_tokens: int
    peak: str
    segments: tuple[Segment, ...]
    firing: tuple[FiringRow, ...]


def level_of(activation: float, maximum: float) -> int:
    """Heat of an activation: 0 where it does not fire, else 1 to 10 in equal steps of the maximum."""
    if activation <= 0 or maximum <= 0:
        return 0
    return min(LEVELS, max(1, math.ceil(LEVELS * activation / maximum)))


class ContextLines:
    """Turns the contexts of one feature into lines.

    contexts: every context that may be asked for, by id. maximum: the feature's harvest maximum.
    """

    def __init__(self, contexts: Mapping[int, ContextRecord], tokens: TokenText, maximum: float) -> None:
        self._contexts = contexts
        self._tokens = tokens
        self._maximum = maximum

    def lines(self, contexts: ContextSet) -> list[ContextLine]:
        """One line for each context of the set, in its order."""
        columns = zip(contexts.context_ids.tolist(), contexts.peaks.tolist(), set_activations(contexts), strict=True)
        return [self._line(self._contexts[context_id], peak, found) for context_id, peak, found in columns]

    def folded(self, contexts: ContextSet) -> list[FoldedLines]:
        """The lines in their order, those with the same 8 tokens up to the peak folded into the first."""
        groups: dict[bytes, list[ContextLine]] = {}
        for line in self.lines(contexts):
            groups.setdefault(self._fold_key(line), []).append(line)
        return [FoldedLines(lines[0], tuple(lines[1:])) for lines in groups.values()]

    def silent(self, context_id: int) -> tuple[Segment, ...]:
        """The first tokens of a context in which the feature is silent."""
        ids = self._contexts[context_id].token_ids
        window = ids[: TOKENS_BEFORE + 1 + TOKENS_AFTER].tolist()
        return tuple(self._segments(_Window(0, window, self._tokens.texts(window)), {}))

    def whole(self, context_id: int, activations: Mapping[int, float]) -> WholeContext:
        """The whole of one context; activations by position, empty where the feature is silent."""
        context = self._contexts[context_id]
        token_ids = context.token_ids.tolist()
        return WholeContext(
            id=context.id,
            document=context.document,
            start=context.start,
            n_tokens=len(token_ids),
            peak=significant(max(activations.values(), default=0.0)),
            segments=self.marked(token_ids, activations),
            firing=self.firing_rows(token_ids, activations),
        )

    def marked(self, token_ids: list[int], activations: Mapping[int, float], *, first: int = 0) -> tuple[Segment, ...]:
        """Any run of tokens with its line breaks. activations: by position; first: the position of the first token."""
        on_lines = [text.replace(NEWLINE, NEWLINE + "\n") for text in self._tokens.texts(token_ids)]
        return tuple(self._segments(_Window(first, token_ids, on_lines), activations))

    def firing_rows(self, token_ids: list[int], activations: Mapping[int, float]) -> tuple[FiringRow, ...]:
        """What fires in a run of tokens, in its order."""
        texts = self._tokens.texts(token_ids)
        return tuple(
            FiringRow(
                position=position,
                token_id=token_ids[position],
                text=_shown(texts[position]),
                activation=significant(value),
                level=level_of(value, self._maximum),
            )
            for position, value in sorted(activations.items())
        )

    def _line(self, context: ContextRecord, peak: float, activations: Mapping[int, float]) -> ContextLine:
        peak_at = max(activations, key=activations.__getitem__)
        first, last = max(0, peak_at - TOKENS_BEFORE), peak_at + TOKENS_AFTER + 1
        token_ids = context.token_ids[first:last].tolist()
        segments = self._segments(_Window(first, token_ids, self._tokens.texts(token_ids)), activations)
        turn = [segment.position for segment in segments].index(peak_at)
        return ContextLine(
            id=context.id,
            document=context.document,
            peak=significant(peak),
            position=peak_at,
            before=tuple(segments[:turn]),
            from_peak=tuple(segments[turn:]),
        )

    def _fold_key(self, line: ContextLine) -> bytes:
        ids = self._contexts[line.id].token_ids
        return ids[max(0, line.position - FOLD_TOKENS + 1) : line.position + 1].tobytes()

    def _segments(self, window: "_Window", activations: Mapping[int, float]) -> list[Segment]:
        """Silent stretches joined into one segment each, firing and special tokens each by themselves."""
        segments: list[Segment] = []
        first, token_ids, texts = window
        done = 0
        for place in self._marked_places(window, activations):
            if place > done:
                segments.append(Segment("".join(texts[done:place])))
            segments.append(self._marked(texts[place], token_ids[place], first + place, activations))
            done = place + 1
        if done < len(texts):
            segments.append(Segment("".join(texts[done:])))
        return segments

    def _marked_places(self, window: "_Window", activations: Mapping[int, float]) -> list[int]:
        """Places of the window that fire or hold a special token, in order."""
        first, last = window.first, window.first + len(window.token_ids)
        firing = [position - first for position in activations if first <= position < last]
        special_ids = self._tokens.special_ids
        if special_ids.isdisjoint(window.token_ids):
            return firing
        special = {place for place, token_id in enumerate(window.token_ids) if token_id in special_ids}
        return sorted(special.union(firing))

    def _marked(self, text: str, token_id: int, position: int, activations: Mapping[int, float]) -> Segment:
        activation = activations.get(position)
        special = token_id in self._tokens.special_ids
        if activation is None:
            return Segment(text, special=special)
        tip = f"{significant(activation)} · id {token_id} · position {position}"
        return Segment(_shown(text), level_of(activation, self._maximum), tip, special, position)


class _Window(NamedTuple):
    """A run of tokens of a context. first: position of the first of them."""

    first: int
    token_ids: list[int]
    texts: list[str]


def set_activations(contexts: ContextSet) -> list[dict[int, float]]:
    """Activations by position of every context of a set."""
    offsets, positions = contexts.offsets.tolist(), contexts.positions.tolist()
    activations = contexts.activations.tolist()
    return [dict(zip(positions[start:stop], activations[start:stop], strict=True)) for start, stop in pairwise(offsets)]


def row_activations(contexts: ContextSet, row: int) -> dict[int, float]:
    """Activations of one context of a set, by position."""
    here = slice(int(contexts.offsets[row]), int(contexts.offsets[row + 1]))
    return dict(zip(contexts.positions[here].tolist(), contexts.activations[here].tolist(), strict=True))


def _shown(text: str) -> str:
    """A firing token's text; one that would be blank is made visible."""
    return text.replace(" ", SPACE) or UNFINISHED if not text or text.isspace() else text
