"""The feature page: everything a harvest and the weights say of one feature, ready to print."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from app.pages.charts import BarChart, Scale, activation_chart, position_chart
from app.pages.contexts import ContextLines, FoldedLines, SilentLine
from app.pages.examples import ExampleView, example_views
from app.pages.harvests import HarvestChoice, extent, subset_sentence
from app.pages.numbers import count, one_in, plural, share, significant
from app.pages.preview import PreviewNotice, preview_notice
from app.pages.provenance import Fact, provenance
from app.pages.statistics import (
    CoactiveRow,
    LogitView,
    NeighbourRow,
    TokenPlace,
    coactive_rows,
    logit_view,
    neighbour_rows,
    token_places,
)
from app.pages.tokens import TokenChip, TokenText
from catalog.records import (
    POSITION_TOKENS,
    Bands,
    ContextRecord,
    Controls,
    DictionaryRecord,
    ExampleRecord,
    FeaturePageData,
    FeatureRecord,
    HarvestRecord,
)

BAND_NAMES = ("Strongest fifth", "Second fifth", "Middle fifth", "Fourth fifth", "Weakest fifth")


MAIN_PARTS = ("examples", "top", "bands", "controls")
SIDE_PARTS = ("histogram", "logits", "tokens", "related", "position", "provenance")


@dataclass(frozen=True, slots=True)
class PageParts:
    """Which parts the page shows, in the wide column and in the narrow one."""

    main: tuple[str, ...] = MAIN_PARTS
    side: tuple[str, ...] = SIDE_PARTS


@dataclass(frozen=True, slots=True)
class FeatureSource:
    """What the catalog gave for one feature, and the text of its tokens. facts: its provenance, if it is known.

    examples: texts that are pinned to it, newest first.
    """

    data: FeaturePageData
    tokens: TokenText
    facts: tuple[Fact, ...] | None = None
    examples: tuple[ExampleRecord, ...] = ()

    @property
    def feature(self) -> FeatureRecord:
        """The feature itself."""
        return self.data.feature

    @property
    def dictionary(self) -> DictionaryRecord:
        """The dictionary it belongs to."""
        return self.data.dictionary

    @property
    def harvest(self) -> HarvestRecord:
        """The harvest its numbers are from."""
        return self.data.harvest

    @property
    def contexts(self) -> Mapping[int, ContextRecord]:
        """Every context it refers to, by id."""
        return self.data.contexts


@dataclass(frozen=True, slots=True)
class HistogramView:
    """The activation histogram with the scales it is drawn in; chart is None for a feature never fired."""

    chart: BarChart | None
    x: Scale
    y: Scale
    sentence: str


@dataclass(frozen=True, slots=True)
class BandView:
    """One fifth of the sampled firing contexts: its interval, its shares and a few of its contexts."""

    name: str
    interval: str
    shares: str
    lines: tuple[FoldedLines, ...]


@dataclass(frozen=True, slots=True)
class PositionView:
    """Firing rate and mean activation along the context. fired_name: what `fired` shows.

    Where the harvest does not say how many tokens stood at each position, counts take the place of rates.
    """

    fired: BarChart
    fired_name: str
    mean: BarChart
    sentence: str


@dataclass(frozen=True, slots=True)
class FeaturePage:
    """Everything the feature page may print."""

    dictionary: str
    dictionary_name: str
    model: str
    hook_name: str
    index: int
    d_sae: int
    label: str | None
    harvest_id: str
    seen_on: str
    preview: PreviewNotice | None
    lead: str
    lead_tokens: tuple[TokenChip, ...]
    is_dead: bool
    counts: tuple[Fact, ...]
    top: tuple[FoldedLines, ...]
    top_sentence: str
    bands: tuple[BandView, ...]
    bands_sentence: str
    controls: tuple[SilentLine, ...]
    histogram: HistogramView
    logits: LogitView | None
    places: tuple[TokenPlace, ...]
    neighbours: tuple[NeighbourRow, ...]
    coactive: tuple[CoactiveRow, ...]
    coactive_sentence: str
    position: PositionView | None
    provenance: tuple[Fact, ...]
    previous: int | None
    next: int | None
    parts: PageParts
    contexts_path: str
    subset: str = ""
    choices: tuple[HarvestChoice, ...] = ()
    examples: tuple[ExampleView, ...] = ()
    may_label: bool = False

    @property
    def title(self) -> str:
        """The feature by its label, else by its number."""
        return self.label or f"Feature {self.index}"

    @property
    def address(self) -> str:
        """How a comparison names this feature."""
        return f"{self.dictionary}/{self.index}"

    @property
    def token_lists(self) -> tuple[tuple[str, tuple[TokenChip, ...]], ...]:
        """The tokens it fires on, promotes and suppresses, in short."""
        promoted = () if self.logits is None else tuple(row.token for row in self.logits.promoted)
        suppressed = () if self.logits is None else tuple(row.token for row in self.logits.suppressed)
        fires_on = tuple(row.token for row in self.places[0].rows)
        return (("Fires on", fires_on), ("Promotes", promoted), ("Suppresses", suppressed))

    @property
    def has_token_statistics(self) -> bool:
        """Whether any place has a token to show."""
        return any(place.rows for place in self.places)


def feature_page(
    source: FeatureSource,
    *,
    x: Scale = "linear",
    y: Scale = "log",
    parts: PageParts | None = None,
    contexts_path: str = "",
    choices: tuple[HarvestChoice, ...] = (),
    may_label: bool = False,
) -> FeaturePage:
    """Build the page.

    x, y: scales of the activation histogram. parts: what it shows, all by default. contexts_path: address
    of whole contexts, {} where the id belongs; empty where there are none. choices: harvests it could be of.
    may_label: whether whoever looks may take examples down.
    """
    feature, tokens = source.feature, source.tokens
    lines = ContextLines(source.contexts, tokens, feature.peak)
    top = tuple(lines.folded(feature.top))
    return FeaturePage(
        dictionary=source.dictionary.slug,
        dictionary_name=source.dictionary.name,
        model=source.dictionary.model,
        hook_name=source.dictionary.hook_name,
        index=feature.index,
        d_sae=source.dictionary.d_sae,
        label=feature.label,
        harvest_id=source.harvest.id,
        seen_on=f"Seen on {extent(source.harvest)} of {source.harvest.corpus}.",
        preview=preview_notice(source.harvest),
        lead=lead_sentence(feature, source.harvest),
        lead_tokens=tuple(tokens.chip(i) for i in feature.tokens.token_ids[:3].tolist()),
        is_dead=feature.tokens_fired == 0,
        counts=count_facts(feature, source.harvest),
        top=top,
        top_sentence=_top_sentence(feature, len(top)),
        bands=_bands(feature.bands, lines),
        bands_sentence=_bands_sentence(feature.bands),
        controls=_controls(feature.controls, lines, tokens, source.contexts),
        histogram=histogram_view(feature, source.harvest, x=x, y=y),
        logits=logit_view(feature.logits, tokens),
        places=token_places(feature, tokens),
        neighbours=neighbour_rows(feature),
        coactive=coactive_rows(feature.coactivation),
        coactive_sentence=_coactive_sentence(feature),
        position=_position(feature, source.harvest),
        provenance=source.facts or provenance(source.dictionary, source.harvest),
        previous=source.data.previous,
        next=source.data.next,
        parts=parts or PageParts(),
        contexts_path=contexts_path,
        subset=subset_sentence(source.dictionary, source.harvest),
        choices=choices,
        examples=example_views(source.examples, lines),
        may_label=may_label,
    )


def lead_sentence(feature: FeatureRecord, harvest: HarvestRecord) -> str:
    """The feature in one plain sentence."""
    if feature.tokens_fired == 0:
        return f"Never fired on the {count(harvest.tokens)} tokens of this harvest, so it counts as dead here."
    density = feature.tokens_fired / harvest.tokens
    return f"Fires on {one_in(density)}, at its strongest with activation {significant(feature.peak)}."


def count_facts(feature: FeatureRecord, harvest: HarvestRecord) -> tuple[Fact, ...]:
    """Density, exact counts and moments of the firing activations."""
    fired, tokens = feature.tokens_fired, harvest.tokens
    if fired == 0:
        bound = f"rate below 3/N, {share(3 / tokens)}, with 95 % confidence" if tokens else ""
        return (
            Fact("Density", f"0 of {count(tokens)} tokens", bound),
            *_weights(feature),
        )
    mean = feature.activation_sum / fired
    spread = math.sqrt(max(0.0, feature.activation_sum_squares / fired - mean**2))
    return (
        Fact("Density", share(fired / tokens), f"{count(fired)} of {count(tokens)} tokens"),
        Fact("Contexts", count(feature.contexts_fired), f"of {count(harvest.n_contexts)}"),
        Fact("Documents", count(feature.documents_fired), f"of {count(harvest.n_documents)}"),
        Fact("Peak", significant(feature.peak), "greatest activation"),
        Fact("Mean", significant(mean), f"where it fires; standard deviation {significant(spread)}"),
        *_weights(feature),
    )


def histogram_view(feature: FeatureRecord, harvest: HarvestRecord, *, x: Scale, y: Scale) -> HistogramView:
    """Histogram of the firing activations with its sentence."""
    chart = activation_chart(feature.histogram_bins, feature.histogram_counts, x=x, y=y)
    if chart is None:
        return HistogramView(None, x, y, f"No activation to show: 0 of {count(harvest.tokens)} tokens fired.")
    sentence = (
        f"Activations of all {plural(feature.tokens_fired, 'firing token')}, in the dictionary's own units, "
        f"up to {significant(feature.peak)}. Bars count tokens on a {y} scale; activation runs on a {x} scale."
    )
    return HistogramView(chart, x, y, sentence)


def _weights(feature: FeatureRecord) -> tuple[Fact, ...]:
    return (
        Fact("Encoder–decoder cosine", significant(feature.encoder_decoder_cosine), "how alike it reads and writes"),
        Fact("Decoder norm", significant(feature.decoder_norm), "length of what one unit adds"),
    )


def _top_sentence(feature: FeatureRecord, n_folds: int) -> str:
    n = len(feature.top.context_ids)
    folded = f" Lines with the same 8 tokens up to the peak are folded, which leaves {n_folds}." if n_folds < n else ""
    return (
        f"The {plural(n, 'context')} with the greatest peak, at most one a document, 24 tokens before the peak and "
        f"8 after. Colour and underline show activation over {significant(feature.peak)}, this feature's greatest."
        f"{folded}"
    )


def _bands(bands: Bands, lines: ContextLines) -> tuple[BandView, ...]:
    every = lines.lines(bands.contexts)
    views = []
    for number in range(len(bands.low)):
        mine = [line for line, band in zip(every, bands.band.tolist(), strict=True) if band == number]
        views.append(
            BandView(
                name=BAND_NAMES[number],
                interval=f"peaks {significant(float(bands.low[number]))} to {significant(float(bands.high[number]))}",
                shares=f"{share(float(bands.share_of_firings[number]))} of firings, "
                f"{share(float(bands.share_of_activation[number]))} of activation",
                lines=tuple(FoldedLines(line, ()) for line in mine),
            )
        )
    return tuple(view for view in views if view.lines)


def _bands_sentence(bands: Bands) -> str:
    if bands.sample_size == 0:
        return "No firing context was sampled, so there are no bands."
    return (
        f"Fifths of {plural(bands.sample_size, 'firing context')} drawn by hash from {count(bands.sample_of)}, "
        "ranked by peak, up to five shown of each. Shares are estimates from that sample."
    )


def _controls(
    controls: Controls, lines: ContextLines, tokens: TokenText, contexts: Mapping[int, ContextRecord]
) -> tuple[SilentLine, ...]:
    columns = zip(controls.context_ids.tolist(), controls.reason.tolist(), controls.related.tolist(), strict=True)
    views = []
    for context_id, reason, related in columns:
        views.append(
            SilentLine(
                id=context_id,
                document=contexts[context_id].document,
                segments=lines.silent(context_id),
                reason=_reason(reason),
                related_token=tokens.chip(related) if reason == 1 else None,
                related_feature=related if reason == 2 else None,
                is_near_miss=reason != 0,
            )
        )
    return tuple(views)


def _reason(reason: int) -> str:
    return {
        0: "Drawn by hash alone.",
        1: "Near miss: silent, although it holds a token this feature often fires on:",
        2: "Near miss: silent, although a related feature fires here:",
    }[reason]


def _coactive_sentence(feature: FeatureRecord) -> str:
    return (
        "Features firing on the same tokens, by Jaccard (shared tokens over tokens of either), counted on "
        f"{count(feature.coactivation.sample_tokens)} tokens, with at least 10 joint firings."
    )


def _position(feature: FeatureRecord, harvest: HarvestRecord) -> PositionView | None:
    fired = feature.position_fired
    if feature.tokens_fired == 0 or len(fired) == 0:
        return None
    mean = np.divide(feature.position_sum, fired, out=np.zeros(len(fired)), where=fired > 0)
    labels = ("position 0", f"position {harvest.n_ctx - 1}")
    tokens = np.asarray(harvest.provenance.get(POSITION_TOKENS, ()), dtype=np.float64)
    has_rates = len(tokens) == len(fired)
    rate = np.divide(fired, tokens, out=np.zeros(len(fired)), where=tokens > 0) if has_rates else fired
    what = "Share of tokens on which it fires" if has_rates else "Firing tokens"
    return PositionView(
        fired=position_chart(rate, labels, show=share if has_rates else significant),
        fired_name=f"{what}, by position",
        mean=position_chart(mean, labels, show=significant),
        sentence=f"{what} (above), and mean activation where it fires (below), along the {harvest.n_ctx} positions of "
        "a context. A peak at the left means that the start of a context matters.",
    )
