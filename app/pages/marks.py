"""Tokens as HTML. It is written here and not in a template because a page prints hundreds of them.

Token text is hostile: everything that is printed goes through `escape`.
"""

from collections.abc import Iterable
from functools import lru_cache

from markupsafe import Markup, escape

from app.pages.contexts import ContextLine, Segment
from app.pages.tokens import TokenChip


def segments(items: Iterable[Segment]) -> Markup:
    """A run of text, its firing tokens marked with their heat, special tokens apart."""
    return Markup("".join([_segment(item) for item in items]))


def line(item: ContextLine, contexts_path: str) -> Markup:
    """One context around its peak. contexts_path: what addresses of whole contexts begin with, or nothing."""
    number = item.id
    link = f' · <a href="{escape(contexts_path)}{number}">whole context</a>' if contexts_path else ""
    return Markup(
        f'<div class="line"><b>{escape(item.peak)}</b><p><span><bdi>{segments(item.before)}</bdi></span>'
        f"<bdi>{segments(item.from_peak)}</bdi></p>"
        f'<details><summary aria-label="Context {number}"></summary><p>{escape(item.document)}{link}</p>'
        "</details></div>"
    )


@lru_cache(maxsize=1 << 16)
def chip(token: TokenChip) -> Markup:
    """One token out of context."""
    special = " chip--special" if token.special else ""
    dots = f"<i>{escape(token.dots)}</i>" if token.dots else ""
    return Markup(f'<bdi class="chip{special}" title="token id {token.id}">{dots}{escape(token.rest)}</bdi>')


def _segment(item: Segment) -> str:
    text = escape(item.text)
    if item.level:
        return f'<mark data-level="{item.level}" tabindex="0" title="{escape(item.tip)}">{text}</mark>'
    return f'<span class="special">{text}</span>' if item.special else text
