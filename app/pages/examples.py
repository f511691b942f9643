"""Texts that people pinned to a feature, with the heat colours of its page."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.pages.contexts import ContextLines, Segment
from app.pages.numbers import significant
from catalog.records import ExampleRecord

SHOWN_WHOLE = 128
TOKENS_BEFORE, TOKENS_AFTER = 64, 48
LINK_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class ExampleView:
    """A text that somebody pinned. segments: the tokens around its peak, or the first ones where it is silent.

    is_cut: whether there is more of it. text: all of it, or nothing where it is too long for a link.
    """

    id: int
    segments: tuple[Segment, ...]
    is_cut: bool
    told: str
    text: str


def example_views(examples: Iterable[ExampleRecord], lines: ContextLines) -> tuple[ExampleView, ...]:
    """The examples of a feature, in their order."""
    return tuple(_view(example, lines) for example in examples)


def _view(example: ExampleRecord, lines: ContextLines) -> ExampleView:
    activations = dict(zip(example.positions.tolist(), example.activations.tolist(), strict=True))
    peak_at = max(activations, key=activations.__getitem__) if activations else TOKENS_BEFORE
    is_short = len(example.token_ids) <= SHOWN_WHOLE
    first, last = (0, SHOWN_WHOLE) if is_short else (max(0, peak_at - TOKENS_BEFORE), peak_at + TOKENS_AFTER + 1)
    token_ids = example.token_ids.tolist()[first:last]
    strength = f"peak {significant(activations[peak_at])}" if activations else "silent"
    return ExampleView(
        id=example.id,
        segments=lines.marked(token_ids, activations, first=first),
        is_cut=len(token_ids) < len(example.token_ids),
        told=f"{strength} · pinned by {example.author}, {example.created_at[:10]}",
        text=example.text if len(example.text) <= LINK_CHARACTERS else "",
    )
