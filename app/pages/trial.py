"""People's own text tried on one feature, and the texts pinned to it: with the heat colours of its page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from app.live.surprise import surprises
from app.pages.contexts import ContextLines, FiringRow, Segment
from app.pages.examples import LINK_CHARACTERS
from app.pages.feature import FeatureSource
from app.pages.numbers import count, one_in, plural, share, significant
from catalog.live_answers import LiveAnswer

Mode = Literal["cut", "whole"]
ROWS_SHOWN = 200
# Rounding apart, the same token run again is as strong as it was.
SAME = 1.001


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What the feature makes of a text. rows: the strongest firings, in the order of the text; left_out: the others."""

    segments: tuple[Segment, ...]
    sentence: str
    rows: tuple[FiringRow, ...]
    left_out: int
    worker: str


@dataclass(frozen=True, slots=True)
class TrialPage:
    """The box with its text, and the result if there is one. permalink: nothing where the text is too long for it.

    may_pin: whether whoever asks may label. n_ctx: tokens of a context of the harvest, BOS counted in.
    """

    dictionary: str
    dictionary_name: str
    index: int
    title: str
    text: str
    mode: Mode
    n_ctx: int
    may_pin: bool
    result: TrialResult | None = None
    permalink: str = ""

    @property
    def address(self) -> str:
        """How other pages name the feature."""
        return f"{self.dictionary}/{self.index}"


def question(source: FeatureSource, text: str, mode: Mode) -> dict[str, object]:
    """What the worker is asked."""
    return {
        "texts": [text],
        "dictionaries": [source.dictionary.hash],
        "only": [source.feature.index],
        "mode": mode,
    }


def trial_page(
    source: FeatureSource,
    *,
    text: str = "",
    mode: Mode = "cut",
    may_pin: bool = False,
    result: TrialResult | None = None,
    permalink: str = "",
) -> TrialPage:
    """The page of a feature's box."""
    feature = source.feature
    return TrialPage(
        dictionary=source.dictionary.slug,
        dictionary_name=source.dictionary.name,
        index=feature.index,
        title=feature.label or f"Feature {feature.index}",
        text=text,
        mode=mode,
        n_ctx=source.harvest.n_ctx,
        may_pin=may_pin,
        result=result,
        permalink=permalink if len(text) <= LINK_CHARACTERS else "",
    )


def trial_result(source: FeatureSource, answer: LiveAnswer) -> TrialResult:
    """The worker's answer to `question`, ready to print."""
    (found,) = answer.results
    token_ids = found.token_ids.tolist()
    activations = dict(zip(found.positions.tolist(), found.activations.tolist(), strict=True))
    lines = ContextLines({}, source.tokens, source.feature.peak)
    strongest = dict(sorted(activations.items(), key=lambda each: -each[1])[:ROWS_SHOWN])
    facts = answer.facts["dictionaries"][source.dictionary.hash]
    return TrialResult(
        segments=lines.marked(token_ids, activations),
        sentence=_sentence(source, activations, len(token_ids), len(found.context_starts)),
        rows=lines.firing_rows(token_ids, strongest),
        left_out=len(activations) - len(strongest),
        worker=f"Worked out on {facts.get('device', 'a device')} in {facts.get('dtype', 'an unknown dtype')}.",
    )


def _sentence(source: FeatureSource, activations: Mapping[int, float], n_tokens: int, n_contexts: int) -> str:
    where = f"{plural(n_tokens, 'token')}"
    if n_contexts > 1:
        where += f" in {count(n_contexts)} contexts, cut as the harvest cuts them"
    if not activations:
        return f"Silent on all {where}." if n_tokens else "The text has no tokens."
    peak, greatest = max(activations.values()), source.feature.peak
    told = f"Fires on {count(len(activations))} of {where}, at most {significant(peak)}"
    if greatest <= 0:
        return f"{told}; in the harvest it never fires."
    return f"{told}, which is {share_of(peak, greatest)} of its greatest in the harvest{_rarity(source, peak)}."


def share_of(peak: float, greatest: float) -> str:
    """An activation over the harvest's greatest; beyond it as a multiple."""
    ratio = peak / greatest
    return f"{significant(ratio)} times" if ratio > SAME else share(min(1.0, ratio))


def _rarity(source: FeatureSource, peak: float) -> str:
    """On how many tokens of the harvest the feature is as strong."""
    index, tokens, greatest = source.feature.index, source.harvest.tokens, source.feature.peak
    if peak > SAME * greatest:
        return ", where it is nowhere as strong"
    histogram = (source.feature.histogram_bins, source.feature.histogram_counts)
    surprise = surprises(np.array([min(peak, greatest)]), np.array([index]), {index: histogram}, tokens=tokens)
    return f", where it is as strong on {one_in(10.0 ** -float(surprise[0]))}"
