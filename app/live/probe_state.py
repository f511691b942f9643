"""What a person has typed into the forms that take a text apart: kept as it was typed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from app.live.steer_bodies import MOST_FEATURES, AttributionBody, EffectsBody
from app.live.steer_state import LONGEST_ADDRESS, plain_text
from catalog.errors import BadQuery

STRONGEST = "20"


@dataclass(frozen=True, slots=True)
class ProbeState:
    """dictionaries: slugs. at: place of the token that is predicted, nothing for the last. is_draft: not to be run."""

    text: str = ""
    dictionaries: tuple[str, ...] = ()
    at: str = ""
    strongest: str = STRONGEST
    is_draft: bool = False

    @property
    def is_asked(self) -> bool:
        """Whether there is something to run."""
        return bool(self.text) and not self.is_draft

    def items(self) -> list[tuple[str, str]]:
        """Names and values as an address carries them; what is as usual is left out."""
        named = {"at": self.at, "strongest": "" if self.strongest == STRONGEST else self.strongest}
        pairs = [("text", self.text), *(("d", slug) for slug in self.dictionaries), *named.items()]
        return [(name, value) for name, value in pairs if value]

    def address(self) -> str | None:
        """The query of the permalink; None where the text is too long for an address."""
        query = urlencode(self.items())
        return query if len(query) <= LONGEST_ADDRESS else None


def read_probe_state(items: Iterable[tuple[str, str]]) -> ProbeState:
    """Of a name given twice the last one counts, as a button comes last; dictionaries are gathered."""
    items = list(items)
    last = dict(items)
    return ProbeState(
        text=plain_text(last.get("text", "")),
        dictionaries=tuple(dict.fromkeys(value for name, value in items if name == "d" and value)),
        at=last.get("at", "").strip(),
        strongest=last.get("strongest", "").strip() or STRONGEST,
        is_draft=bool(last.get("draft")),
    )


def effects_body(state: ProbeState) -> EffectsBody:
    """What is asked. Raises BadQuery on what cannot be meant."""
    strongest = _whole("The number of features", state.strongest, most=MOST_FEATURES)
    return EffectsBody(text=state.text, dictionaries=_named(state), strongest=strongest, position=_predicted(state))


def attribution_body(state: ProbeState) -> AttributionBody:
    """What is asked of the one dictionary. Raises BadQuery on what cannot be meant."""
    predicted = _predicted(state)
    position = None if predicted is None else predicted - 1
    most = _whole("The number of features", state.strongest, most=MOST_FEATURES)
    return AttributionBody(text=state.text, dictionary=_named(state)[0], position=position, most_features=most)


def _named(state: ProbeState) -> list[str]:
    if not state.dictionaries:
        raise BadQuery("No dictionary is chosen; choose one whose features are to be looked at.")
    return list(state.dictionaries)


def _predicted(state: ProbeState) -> int | None:
    return _whole("The place of the token", state.at, most=10**9) if state.at else None


def _whole(name: str, text: str, *, most: int) -> int:
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text[:12]) <= most:
        raise BadQuery(f"{name} is {text!r}; expected a whole number from 1 to {most:,}.")
    return int(text)


def merged(items: Sequence[tuple[str, Any]], **changes: str) -> str:
    """A query of the items, some of them changed or added."""
    return urlencode([*((name, value) for name, value in items if name not in changes), *changes.items()])
