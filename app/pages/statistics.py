"""Tables of a feature page: token statistics, output tokens, related features."""

from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from app.pages.charts import BarChart, even_chart
from app.pages.numbers import count, share, signed, significant
from app.pages.tokens import TokenChip, TokenText
from catalog.records import Coactivation, FeatureRecord, LogitEffects, TokenStatistics

SHOWN_STATISTICS = 8


class TokenRow(NamedTuple):
    """Statistics of one token: recall with its interval, precision, lift, all as text."""

    token: TokenChip
    recall: str
    interval: str
    precision: str
    lift: str
    mass: str


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """Token statistics of one place: the firing token, the one before or the one after."""

    key: str
    title: str
    rows: tuple[TokenRow, ...]


@dataclass(frozen=True, slots=True)
class LogitRow:
    """An output token and the effect on its logit of one unit of activation."""

    token: TokenChip
    effect: str


@dataclass(frozen=True, slots=True)
class LogitView:
    """What the decoder direction does to output tokens, with the histogram of all of them."""

    promoted: tuple[LogitRow, ...]
    suppressed: tuple[LogitRow, ...]
    chart: BarChart
    sentence: str


@dataclass(frozen=True, slots=True)
class NeighbourRow:
    """A feature with a like decoder direction."""

    index: int
    cosine: str


@dataclass(frozen=True, slots=True)
class CoactiveRow:
    """A feature that fires on the same tokens."""

    index: int
    jaccard: str
    other_given_this: str
    this_given_other: str
    joint: str


def token_places(feature: FeatureRecord, tokens: TokenText) -> tuple[TokenPlace, ...]:
    """The three places a token may stand in, that of the firing token first."""
    places = (
        ("token", "The token it fires on", feature.tokens),
        ("previous", "The token before", feature.previous_tokens),
        ("next", "The token after", feature.next_tokens),
    )
    return tuple(_place(key, title, statistics, tokens) for key, title, statistics in places)


def logit_view(effects: LogitEffects | None, tokens: TokenText, *, log_counts: bool = True) -> LogitView | None:
    """Promoted and suppressed output tokens, or None where the hook has no path to the logits."""
    if effects is None:
        return None
    total = int(effects.counts.sum())
    sentence = (
        f"Direct effect of one unit of activation on the logits of all {count(total)} tokens of the vocabulary, "
        f"centred on their mean: from {significant(effects.low)} to {signed(effects.high)}. "
        f"Bars are tokens{', on a log scale' if log_counts else ''}."
    )
    return LogitView(
        promoted=_logit_rows(effects.promoted_ids.tolist(), effects.promoted.tolist(), tokens),
        suppressed=_logit_rows(effects.suppressed_ids.tolist(), effects.suppressed.tolist(), tokens),
        chart=even_chart(effects.low, effects.high, effects.counts, y="log" if log_counts else "linear"),
        sentence=sentence,
    )


def neighbour_rows(feature: FeatureRecord) -> tuple[NeighbourRow, ...]:
    """Nearest features by decoder cosine, nearest first."""
    pairs = zip(feature.neighbour_indices.tolist(), feature.neighbour_cosines.tolist(), strict=True)
    return tuple(NeighbourRow(index, significant(cosine)) for index, cosine in pairs)


def coactive_rows(coactivation: Coactivation) -> tuple[CoactiveRow, ...]:
    """Features firing on the same tokens, by Jaccard."""
    columns = zip(
        coactivation.indices.tolist(),
        coactivation.jaccard.tolist(),
        coactivation.other_given_this.tolist(),
        coactivation.this_given_other.tolist(),
        coactivation.joint.tolist(),
        strict=True,
    )
    return tuple(
        CoactiveRow(index, f"{jaccard:.2f}", share(other), share(this), count(joint))
        for index, jaccard, other, this, joint in columns
    )


def _place(key: str, title: str, statistics: TokenStatistics, tokens: TokenText) -> TokenPlace:
    columns = zip(
        statistics.token_ids.tolist(),
        statistics.recall.tolist(),
        statistics.low.tolist(),
        statistics.high.tolist(),
        statistics.precision.tolist(),
        statistics.lift.tolist(),
        statistics.mass.tolist(),
        strict=True,
    )
    rows = tuple(
        TokenRow(
            token=tokens.chip(token_id),
            recall=share(recall),
            interval=f"{share(low)} to {share(high)}",
            precision=share(precision),
            lift=f"×{significant(lift)}",
            mass=share(mass),
        )
        for token_id, recall, low, high, precision, lift, mass in islice(columns, SHOWN_STATISTICS)
    )
    return TokenPlace(key, title, rows)


def _logit_rows(ids: list[int], effects: list[float], tokens: TokenText) -> tuple[LogitRow, ...]:
    return tuple(LogitRow(tokens.chip(i), signed(effect)) for i, effect in zip(ids, effects, strict=True))
