"""What a person looks at on the page of live text: everything an address or a form carries, in one form of each."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args
from urllib.parse import urlencode

from catalog.errors import BadQuery

Sort = Literal["peak", "heat", "sum", "tokens", "surprise", "difference"]
Mode = Literal["cut", "whole"]
SORTS: tuple[Sort, ...] = get_args(Sort)
# Shares of tokens: a feature that fires more often than the chosen one is left out.
DENSITIES = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 1.0)
ALL_DENSITIES = len(DENSITIES) - 1
SHOWN = (25, 100, 400)
LONGEST_ADDRESS = 4_000
SPAN_FIELDS = "span"
"""What the button beside the fields `side`, `first` and `last` sends as `at`."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Some tokens of one text. text: 0 or 1; first, last: places in its tokens, both included."""

    text: int
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.text}:{self.first}" + ("" if self.first == self.last else f"-{self.last}")


@dataclass(frozen=True, slots=True)
class LiveState:
    """text, other: what is read, and what it is compared with. dictionaries: slugs; models: of which all are meant.

    view: slugs of those shown together; nothing for the first that cut the text alike. sort: None for the natural one.
    at: the tokens that the list is for. feature: dictionary/number that colours the text. dense: place in DENSITIES.
    begin: the first token shown. shown: features listed.
    """

    text: str = ""
    other: str = ""
    dictionaries: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    mode: Mode = "cut"
    view: tuple[str, ...] = ()
    sort: Sort | None = None
    at: Selection | None = None
    feature: str = ""
    dense: int = ALL_DENSITIES
    begin: int = 0
    shown: int = SHOWN[0]

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts to read."""
        return (self.text, self.other) if self.other else (self.text,)

    @property
    def is_asked(self) -> bool:
        """Whether there is anything to read."""
        return bool(self.text or self.other)

    def items(self) -> list[tuple[str, str]]:
        """Names and values as an address or hidden fields carry them; what is as usual is left out."""
        usual = LiveState()
        pairs = [("text", self.text), ("other", self.other)]
        pairs += [("d", slug) for slug in self.dictionaries] + [("all", model) for model in self.models]
        named = {
            "mode": self.mode if self.mode != usual.mode else "",
            "view": ",".join(self.view),
            "sort": self.sort or "",
            "at": str(self.at or ""),
            "feature": self.feature,
            "dense": str(self.dense) if self.dense != usual.dense else "",
            "begin": str(self.begin or ""),
            "shown": str(self.shown) if self.shown != usual.shown else "",
        }
        return [(name, value) for name, value in (*pairs, *named.items()) if value]

    def with_other_text(self, text: str) -> "LiveState":
        """The same view of another text: what points into the old one is let go."""
        return replace(self, text=text, at=None, begin=0)


def query_of(state: LiveState) -> str | None:
    """The query of the page's permalink, or None where the texts are too long for an address."""
    query = urlencode(state.items())
    return query if len(query) <= LONGEST_ADDRESS else None


def read_state(items: Iterable[tuple[str, str]]) -> LiveState:
    """The state that an address or a form means; of a name given twice the last one counts, as buttons come last.

    Texts are read as a browser's field gives them: line ends as one sign, NUL as a mark that something was there.
    Raises BadQuery on a value that cannot be meant.
    """
    items = list(items)
    last = dict(items)
    return LiveState(
        text=_text(last.get("text", "")),
        other=_text(last.get("other", "")),
        dictionaries=_each(items, "d"),
        models=_each(items, "all"),
        mode=_one_of("mode", last.get("mode") or "cut", get_args(Mode)),
        view=tuple(dict.fromkeys(slug for slug in last.get("view", "").split(",") if slug)),
        sort=_one_of("sort", last["sort"], SORTS) if last.get("sort") else None,
        at=_selection(last),
        feature=last.get("feature", ""),
        dense=_number(last, "dense", usual=ALL_DENSITIES, most=ALL_DENSITIES),
        begin=_number(last, "begin", usual=0),
        shown=_number(last, "shown", usual=SHOWN[0], most=SHOWN[-1]),
    )


def _text(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")


def _each(items: Iterable[tuple[str, str]], name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for key, value in items if key == name and value))


def _one_of(name: str, value: str, known: tuple[str, ...]) -> Any:
    if value not in known:
        raise BadQuery(f"{name} is {value!r}; expected one of {', '.join(known)}.")
    return value


def _selection(last: dict[str, str]) -> Selection | None:
    at = last.get("at", "")
    if at == SPAN_FIELDS:
        ends = sorted((_number(last, "first", usual=0), _number(last, "last", usual=0)))
        return Selection(_number(last, "side", usual=0, most=1), *ends)
    if not at:
        return None
    text, _, span = at.partition(":")
    first, _, end = span.partition("-")
    numbers = {"text": text, "first": first, "last": end or first}
    return Selection(
        _number(numbers, "text", usual=0, most=1),
        *sorted((_number(numbers, "first", usual=0), _number(numbers, "last", usual=0))),
    )


def _number(values: dict[str, str], name: str, *, usual: int, most: int = 10**9) -> int:
    text = values.get(name, "")
    if not text:
        return usual
    if not (text.isascii() and text.isdecimal()) or int(text[:12]) > most:
        raise BadQuery(f"{name} is {text!r}; expected a whole number from 0 to {most:,}.")
    return int(text)
