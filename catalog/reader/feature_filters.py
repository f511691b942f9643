"""What narrows a list of features, as conditions: each can be put to an index of its own, or to rows already found."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

from sqlalchemy import ColumnElement, Select, UnaryExpression, and_, exists, false, select
from sqlalchemy.sql.operators import custom_op

from catalog.among import among
from catalog.queries import FeatureQuery
from catalog.reader.runs import Run
from catalog.schema import LEAST_LIVE, FeatureRow, LabellingRow
from catalog.tokens import Vocabulary, searchable

MOST_TOKENS = 1_000
"""A text that more tokens than these contain is too common to be looked for token by token."""
_BY_TOKEN = "ix_feature_run_id_top_token_index"
_NO_TOKEN = -1
_ROUNDING = 1e-12
"""A density of exactly so many tokens is included, whichever way its product was rounded."""


@dataclass(frozen=True, slots=True)
class Range:
    """From low to high, both included; None is no bound."""

    low: float | None = None
    high: float | None = None

    def within(self, other: "Range") -> "Range":
        """What lies in both. One bound a side: SQLite starts at the first it reads, be it the tighter or not."""
        lows = [low for low in (self.low, other.low) if low is not None]
        highs = [high for high in (self.high, other.high) if high is not None]
        return Range(max(lows, default=None), min(highs, default=None))

    def tests(self, column: Any) -> list[ColumnElement[bool]]:
        """The conditions on a column."""
        low = [] if self.low is None else [column >= self.low]
        high = [] if self.high is None else [column <= self.high]
        return [*low, *high]


@dataclass(frozen=True, slots=True)
class Filter:
    """What narrows a list in one respect.

    indexed: conditions that an index answers; None where none can. aside: the same, put so that no index is chosen for
    it and each row is looked at. index: that which SQLite must be told to use, where it would not by itself.
    """

    topic: str
    indexed: Sequence[ColumnElement[bool]] | None
    aside: Sequence[ColumnElement[bool]]
    index: str | None = None

    def found_in(self, query: Select[Any]) -> Select[Any]:
        """The query of features with its index named."""
        return query if self.index is None else query.with_hint(FeatureRow, f"INDEXED BY {self.index}", "sqlite")


def set_aside(column: Any) -> Any:
    """The column as it must be written for the database not to choose its index.

    Which index a list is read by is decided in `feature_lists`: SQLite knows nothing of how many rows a range has, and
    PostgreSQL takes filters for independent of each other.
    """
    return UnaryExpression(column, operator=custom_op("+"))


def ranges_of(run: Run, query: FeatureQuery) -> dict[str, Range]:
    """The ranges that a query sets to columns, by name of the column."""
    ranges = {
        "tokens_fired": _firings(query, run.tokens),
        "peak": Range(query.min_peak, query.max_peak),
        "top_token": Range(query.token, query.token),
    }
    if query.live is not None:
        ranges["tokens_fired"] = ranges["tokens_fired"].within(Range(low=1) if query.live else Range(high=0))
    return {name: found for name, found in ranges.items() if found != Range()}


def implied_range(query: FeatureQuery, column: str) -> Range:
    """Where in a column the features are that can fit: in many lists the dead come first, and are many.

    By the writer, whatever fires has a peak and a mean above 0, and what never fired has no token.
    """
    has_token = query.token is not None or bool(query.token_contains)
    if column == "top_token":
        return Range(low=_NO_TOKEN + 1) if has_token else Range()
    is_live = has_token or query.live or bool(query.min_density) or bool(query.min_peak)
    if not is_live or column == "index":
        return Range()
    return Range(low=1 if column == "tokens_fired" else LEAST_LIVE)


def filters_of(run: Run, query: FeatureQuery, vocabulary: Vocabulary | None) -> list[Filter]:
    """Everything that narrows the list. vocabulary: of the run's model; without it, text is only looked at by row."""
    wanted = []
    for name, found in ranges_of(run, query).items():
        column = getattr(FeatureRow, name)
        wanted.append(Filter(name, found.tests(column), found.tests(set_aside(column))))
    if query.token_contains:
        wanted.append(_text(query.token_contains, vocabulary))
    if query.labelled is not None:
        wanted.append(_labelled(run, wanted=query.labelled))
    return wanted


def all_aside(filters: Sequence[Filter], *, but: str = "") -> list[ColumnElement[bool]]:
    """All conditions with no index chosen for them, those of one topic left out."""
    return [condition for each in filters if each.topic != but for condition in each.aside]


def labelling_of(dictionary_hash: Any, index: Any) -> ColumnElement[bool]:
    """What people have settled on for a feature, as a part of a query."""
    return and_(LabellingRow.dictionary_hash == dictionary_hash, LabellingRow.index == index)


def _firings(query: FeatureQuery, tokens: int) -> Range:
    """Densities as counts, in whole numbers: PostgreSQL finds none by comparing its index of them with fractions."""
    low, high = query.min_density, query.max_density
    return Range(
        low=None if low is None else ceil(low * tokens * (1 - _ROUNDING)),
        high=None if high is None else floor(high * tokens * (1 + _ROUNDING)),
    )


def _text(text: str, vocabulary: Vocabulary | None) -> Filter:
    aside = FeatureRow.top_token_text.contains(searchable(text), autoescape=True)
    tokens = None if vocabulary is None else vocabulary.containing(text)
    if tokens is None or len(tokens) > MOST_TOKENS:
        return Filter("text", None, [aside])
    if not tokens:
        return Filter("text", [false()], [aside])
    # SQLite takes a list for long and a harvest for short, and would read all of the harvest.
    return Filter("text", [among(FeatureRow.top_token, "tokens", tokens)], [aside], index=_BY_TOKEN)


def _labelled(run: Run, *, wanted: bool) -> Filter:
    named = LabellingRow.label_id.is_not(None)
    has_label = exists().where(labelling_of(run.dictionary_hash, FeatureRow.index), named).correlate(FeatureRow)
    if not wanted:
        return Filter("label", None, [~has_label])
    labelled = select(LabellingRow.index).where(LabellingRow.dictionary_hash == run.dictionary_hash, named)
    return Filter("label", [FeatureRow.index.in_(labelled)], [has_label])
