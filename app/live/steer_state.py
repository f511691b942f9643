"""What a person has typed into the form of steering: kept as it was typed, so that it comes back whatever it was."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any
from urllib.parse import urlencode

from app.live.steering import MODES, Mode
from catalog.errors import BadQuery

LONGEST_ADDRESS = 4_000
USUAL: Mapping[str, str] = {"new_tokens": "60", "temperature": "1", "top_k": "0", "top_p": "1", "seed": "0"}
GREATEST_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Row:
    """A feature, as dictionary/number, and what to do with it."""

    feature: str = ""
    mode: str = "add"
    value: str = "1"


@dataclass(frozen=True, slots=True)
class SteerState:
    """numbers: the settings of sampling by name. is_draft: shown to be filled in, and not run."""

    text: str = ""
    rows: tuple[Row, ...] = ()
    numbers: Mapping[str, str] = field(default_factory=lambda: dict(USUAL))
    is_draft: bool = False

    @property
    def is_asked(self) -> bool:
        """Whether there is something to run."""
        return bool(self.text or self.rows) and not self.is_draft

    def items(self) -> list[tuple[str, str]]:
        """Names and values as an address carries them; settings that are as usual are left out."""
        rows = [
            pair for row in self.rows for pair in (("feature", row.feature), ("mode", row.mode), ("value", row.value))
        ]
        return [
            ("text", self.text),
            *rows,
            *((name, value) for name, value in self.numbers.items() if value != USUAL[name]),
        ]

    def address(self) -> str | None:
        """The query of the permalink; None where the text is too long for an address."""
        query = urlencode(self.items())
        return query if len(query) <= LONGEST_ADDRESS else None


def read_steer_state(items: Iterable[tuple[str, str]]) -> SteerState:
    """Of a name given twice the last one counts, but for the rows of features, which stand in their order."""
    items = list(items)
    last = dict(items)
    columns = ([value for key, value in items if key == name] for name in ("feature", "mode", "value"))
    rows = [
        Row(feature.strip(), mode or "add", value.strip() or "1")
        for feature, mode, value in zip_longest(*columns, fillvalue="")
        if feature.strip()
    ]
    return SteerState(
        text=plain_text(last.get("text", "")),
        rows=tuple(rows),
        numbers={name: last.get(name, "").strip() or usual for name, usual in USUAL.items()},
        is_draft=bool(last.get("draft")),
    )


def plain_text(text: str) -> str:
    """Text as a browser's field gives it: line ends as one sign, NUL as a mark that something was there."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")


def sampling_of(state: SteerState) -> dict[str, Any]:
    """The settings as the worker's door reads them. Raises BadQuery on what is no number or out of range."""
    values = state.numbers
    return {
        "new_tokens": _whole("Tokens to write", values["new_tokens"], least=1, most=10**6),
        "temperature": _number("Temperature", values["temperature"], least=0, most=100),
        "top_k": _whole("Top k", values["top_k"], least=0, most=10**9),
        "top_p": _number("Top p", values["top_p"], least=1e-9, most=1),
        "seed": _whole("Seed", values["seed"], least=0, most=GREATEST_SEED),
    }


def rows_of(state: SteerState) -> list[tuple[tuple[str, int], Mode, float]]:
    """The features named, what to do with each, and how much. Raises BadQuery naming what cannot be meant."""
    return [
        (named_feature(row.feature), _mode(row), _number(f"The value of {row.feature}", row.value))
        for row in state.rows
    ]


def named_feature(address: str) -> tuple[str, int]:
    """Dictionary and number of 'dictionary/number', which may be the address of its page. Raises BadQuery."""
    dictionary, _, index = address.split("?")[0].strip().strip("/").rpartition("/")
    dictionary = dictionary.rpartition("/")[2]
    if not dictionary or not (index.isascii() and index.isdecimal()):
        raise BadQuery(f"{address!r} names no feature; expected dictionary/number, such as tiny-mid/12.")
    return dictionary, int(index[:12])


def _mode(row: Row) -> Mode:
    if row.mode not in MODES:
        raise BadQuery(f"{row.mode!r} is nothing to do with a feature; expected one of {', '.join(MODES)}.")
    return row.mode


def _whole(name: str, text: str, *, least: int, most: int) -> int:
    if not (text.isascii() and text.isdecimal()) or not least <= int(text[:20]) <= most:
        raise BadQuery(f"{name} is {text!r}; expected a whole number from {least:,} to {most:,}.")
    return int(text)


def _number(name: str, text: str, *, least: float = -1e6, most: float = 1e6) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise BadQuery(f"{name} is {text!r}; expected a number from {least:g} to {most:g}.")
    return value


def blank_rows(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows, with room for more behind them."""
    return (*rows, *(Row() for _ in range(max(1, 3 - len(rows)))))
