"""Whoever a page is made for, as its masthead shows it. It lasts as long as the request."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shown:
    """name: of whoever is signed in, None where nobody is."""

    name: str | None


_shown: ContextVar[Shown | None] = ContextVar("shown_person", default=None)


def show(shown: Shown) -> None:
    """From here on the pages of this request say so."""
    _shown.set(shown)


def shown() -> Shown | None:
    """What the masthead says; None where people cannot sign in."""
    return _shown.get()
