"""Tokens as HTML. It is written here and not in a template because a page prints hundreds of them.

Token text is hostile: everything that is printed goes through `escape`.
"""

from collections.abc import Iterable
from functools import lru_cache

from markupsafe import Markup, escape

from app.pages.contexts import ContextLine, Segment
from app.pages.provenance import Fact
from app.pages.tokens import TokenChip


def segments(items: Iterable[Segment]) -> Markup:
    """A run of text, its firing tokens marked with their heat, special tokens apart."""
    return Markup("".join([_segment(item) for item in items]))


def line(item: ContextLine, contexts_path: str) -> Markup:
    """One context around its peak. contexts_path: address of whole contexts, {} where the id belongs, or nothing."""
    number = item.id
    link = f' · <a href="{escape(contexts_path.replace("{}", str(number)))}">whole context</a>' if contexts_path else ""
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


@lru_cache(maxsize=1 << 8)
def facts(items: tuple[Fact, ...]) -> Markup:
    """Names and their values. Kept, for every page of a harvest says the same of where it comes from."""
    return Markup(f'<dl class="facts">{"".join([_fact(item) for item in items])}</dl>')


def _fact(item: Fact) -> str:
    note = f"<small>{escape(item.note)}</small>" if item.note else ""
    return f'<div class="fact"><dt>{escape(item.name)}</dt><dd>{escape(item.value)}{note}</dd></div>'


def _segment(item: Segment) -> str:
    text = escape(item.text)
    if item.level:
        return f'<mark data-level="{item.level}" tabindex="0" title="{escape(item.tip)}">{text}</mark>'
    return f'<span class="special">{text}</span>' if item.special else text
