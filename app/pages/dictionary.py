"""The page of a dictionary: its features as a table, its quality, its provenance."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.pages.charts import BarChart, density_chart, sparkline
from app.pages.harvests import HarvestChoice, subset_sentence
from app.pages.numbers import count, plural, share, significant
from app.pages.preview import PreviewNotice, preview_notice
from app.pages.provenance import Fact, provenance
from app.pages.tokens import TokenChip, TokenText
from catalog.queries import FeatureListPage, FeatureQuery
from catalog.records import DictionaryRecord, DictionarySummary, FeatureSummary, HarvestRecord

SHOWN_PROMOTED = 5
UNDER_WAY = ("running", "paused")
COLUMNS = (
    ("index", "Feature", "asc", "number of the feature in its dictionary"),
    ("density", "Density", "desc", "share of tokens on which it fires"),
    ("peak", "Peak", "desc", "greatest activation"),
    ("mean", "Mean", "desc", "mean activation where it fires"),
    ("token", "Top token", "asc", "the likeliest token; sorting is by token id"),
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column that sorts. href: the list sorted by it, or the other way round where it is already.

    direction: ascending, descending, or empty where the list is sorted by another.
    """

    name: str
    note: str
    href: str
    direction: str


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """One line of the table. spark: path of the small histogram of activations."""

    index: int
    label: str | None
    density: str
    density_words: str
    peak: str
    mean: str
    top_token: TokenChip | None
    promoted: tuple[TokenChip, ...]
    spark: str
    is_dead: bool


@dataclass(frozen=True, slots=True)
class DictionaryPage:
    """Everything the page of a dictionary may print. filters: what the form holds, as typed."""

    dictionary: str
    name: str
    model: str
    hook_name: str
    lead: str
    is_harvested: bool
    preview: PreviewNotice | None
    waits_for: str
    quality: tuple[Fact, ...]
    density: BarChart | None
    density_sentence: str
    columns: tuple[Column, ...]
    rows: tuple[FeatureRow, ...]
    filters: Mapping[str, str]
    is_filtered: bool
    sort: str
    order: str
    next_href: str | None
    previous_href: str | None
    provenance: tuple[Fact, ...]
    pinned: str
    subset: str
    choices: tuple[HarvestChoice, ...]


@dataclass(frozen=True, slots=True)
class DictionarySource:
    """What the catalog gave for a dictionary; summary and features are None before the first harvest."""

    dictionary: DictionaryRecord
    harvest: HarvestRecord | None
    summary: DictionarySummary | None
    features: FeatureListPage | None
    tokens: TokenText | None


@dataclass(frozen=True, slots=True)
class ListLinks:
    """Addresses of the list in other orders. columns: by sort key; next, previous: pages of this order."""

    columns: Mapping[str, str]
    next: str | None
    previous: str | None


def dictionary_page(
    source: DictionarySource,
    query: FeatureQuery,
    *,
    links: ListLinks,
    filters: Mapping[str, str],
    choices: tuple[HarvestChoice, ...] = (),
) -> DictionaryPage:
    """Build the page from what the catalog gave and how the list was asked for. choices: harvests it could be of."""
    record, harvest = source.dictionary, source.harvest
    rows = ()
    if source.features is not None and source.tokens is not None:
        rows = tuple(feature_row(feature, source.tokens) for feature in source.features.features)
    return DictionaryPage(
        dictionary=record.slug,
        name=record.name,
        model=record.model,
        hook_name=record.hook_name,
        lead=_lead(record, harvest),
        is_harvested=source.features is not None,
        preview=preview_notice(harvest),
        waits_for=_waits_for(harvest, source.features),
        quality=quality_facts(record, source.summary),
        density=_density(source.summary),
        density_sentence=_density_sentence(source.summary, harvest),
        columns=tuple(_column(query, key, name, note=note, href=links.columns[key]) for key, name, _, note in COLUMNS),
        rows=rows,
        filters=filters,
        is_filtered=any(filters.values()),
        sort=query.sort,
        order=query.order,
        next_href=links.next,
        previous_href=links.previous,
        provenance=provenance(record, harvest),
        pinned=query.harvest or "",
        subset=subset_sentence(record, harvest),
        choices=choices,
    )


def feature_row(feature: FeatureSummary, tokens: TokenText) -> FeatureRow:
    """One line of a list of features."""
    is_dead = feature.tokens_fired == 0
    return FeatureRow(
        index=feature.index,
        label=feature.label,
        density=share(feature.density),
        density_words=plural(feature.tokens_fired, "token"),
        peak=significant(feature.peak),
        mean=significant(feature.mean),
        top_token=None if feature.top_token is None else tokens.chip(feature.top_token),
        promoted=tuple(tokens.chip(i) for i in feature.promoted[:SHOWN_PROMOTED]),
        spark=sparkline(feature.sparkline),
        is_dead=is_dead,
    )


def quality_facts(record: DictionaryRecord, summary: DictionarySummary | None) -> tuple[Fact, ...]:
    """How good the dictionary is, in numbers a reader can compare."""
    facts = []
    if summary is not None:
        n = max(1, summary.n_features)
        facts += [
            Fact("Features", count(summary.n_features), f"{count(summary.n_features - summary.n_dead)} live"),
            Fact("L0", significant(summary.l0), "features firing on a token, on average"),
            Fact("Dead", share(summary.n_dead / n), f"{plural(summary.n_dead, 'feature')} never fired here"),
            Fact("Dense", share(summary.n_dense / n), "fire on more than 10 % of tokens"),
        ]
    known = {
        "fvu": ("FVU", "variance left unexplained; 0 is perfect", significant),
        "loss_recovered": ("Loss recovered", "against mean ablation; 100 % is the model itself", share),
    }
    quality = record.quality or {}
    for key, (name, note, shown) in known.items():
        if isinstance(quality.get(key), int | float):
            facts.append(Fact(name, shown(quality[key]), note))
    return tuple(facts)


def _lead(record: DictionaryRecord, harvest: HarvestRecord | None) -> str:
    kind = {
        "neurons": "the neurons themselves",
        "pca": "principal components",
        "random": "random directions",
        "relu": "a ReLU sparse autoencoder",
        "topk": "a TopK sparse autoencoder",
        "jumprelu": "a JumpReLU sparse autoencoder",
    }.get(record.kind, record.kind)
    seen = "It has not been harvested yet."
    if harvest is not None and harvest.status in UNDER_WAY:
        seen = f"Being harvested on {count(harvest.tokens)} tokens of {harvest.corpus}."
    elif harvest is not None:
        seen = f"Seen on {count(harvest.tokens)} tokens of {harvest.corpus}."
    return f"{count(record.d_sae)} features: {kind}, reading {record.hook_name} of {record.model}. {seen}"


def _waits_for(harvest: HarvestRecord | None, features: FeatureListPage | None) -> str:
    """How far a harvest is of which nothing can be shown yet; empty where there is something, or no harvest."""
    if harvest is None or harvest.status not in UNDER_WAY or (features is not None and features.features):
        return ""
    done = share(harvest.tokens_done / harvest.tokens) if harvest.tokens else share(0)
    return (
        f"This dictionary is being harvested: {done} of {count(harvest.tokens)} tokens so far. Its features can be "
        "read as soon as there is something to show, after the first of several shards or at the end."
    )


def _density(summary: DictionarySummary | None) -> BarChart | None:
    if summary is None or sum(summary.density_counts) == 0:
        return None
    return density_chart(summary.density_edges, summary.density_counts)


def _density_sentence(summary: DictionarySummary | None, harvest: HarvestRecord | None) -> str:
    if summary is None or harvest is None:
        return ""
    live = summary.n_features - summary.n_dead
    return (
        f"Each live feature ({count(live)}) by the share of tokens on which it fires, on a log scale, "
        f"out of {count(harvest.tokens)} tokens. Bars count features."
    )


def _column(query: FeatureQuery, key: str, name: str, *, note: str, href: str) -> Column:
    direction = ""
    if query.sort == key:
        direction = "ascending" if query.order == "asc" else "descending"
    return Column(name, note, href, direction)
