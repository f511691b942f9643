"""A stored context beside what the worker makes of it now, token by token."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.pages.contexts import ContextLines, Segment, level_of
from app.pages.feature import FeatureSource
from app.pages.numbers import count, plural, share, signed, significant
from app.pages.tokens import SPACE
from app.pages.whole import ContextPage, context_page, shown_activations
from catalog.live_agreement import Agreement, compare, other_makings, tolerance_of
from catalog.live_answers import LiveAnswer

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, eq=False)
class Rerun:
    """What came of running a context again. facts: of the worker. others: what it has that made another harvest.

    dtype, harvest_dtype: live and stored numbers were worked out in. tolerance: a share of the feature's maximum.
    """

    agreement: Agreement
    facts: Mapping[str, Any]
    others: tuple[str, ...]
    dtype: str
    harvest_dtype: str
    tolerance: float


@dataclass(frozen=True, slots=True)
class RerunRow:
    """One token that fires on either side; a level of 0 is silence. note: what there is to say of it."""

    position: int
    text: str
    stored: str
    live: str
    difference: str
    stored_level: int
    live_level: int
    note: str
    is_wrong: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the page says first. passes: None where it cannot be said, for another harvest's files are at work."""

    passes: bool | None
    title: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RerunPage:
    """A stored context and the same run again; verdict, live and rows are None or empty where nothing came back."""

    stored: ContextPage
    harvest: str
    verdict: Verdict | None = None
    live: tuple[Segment, ...] = ()
    rows: tuple[RerunRow, ...] = ()
    worker: str = ""


def question(source: FeatureSource, context_id: int) -> dict[str, Any]:
    """What the worker is asked. Raises NotFound for a context that the feature's page does not show."""
    shown_activations(source.feature, context_id)
    index = source.feature.index
    return {
        "token_ids": [source.contexts[context_id].token_ids.tolist()],
        "dictionaries": [source.dictionary.hash],
        "only": [index],
        "margins_of": index,
    }


def rerun(source: FeatureSource, context_id: int, answer: LiveAnswer) -> Rerun:
    """The stored activations held against the worker's answer to `question`."""
    (live,) = answer.results
    facts: Mapping[str, Any] = answer.facts["dictionaries"][source.dictionary.hash]
    dtypes = [str(said.get("dtype") or UNKNOWN) for said in (facts, source.harvest.provenance)]
    tolerance = tolerance_of(*dtypes)
    feature = source.feature
    stored = shown_activations(feature, context_id)
    return Rerun(
        agreement=compare(stored, live, feature.index, peak=feature.peak, tolerance=tolerance),
        facts=facts,
        others=other_makings(source.harvest, source.dictionary.hash, facts),
        dtype=dtypes[0],
        harvest_dtype=dtypes[1],
        tolerance=tolerance,
    )


def rerun_page(source: FeatureSource, context_id: int, found: Rerun | None) -> RerunPage:
    """The page; found is None where the worker gave no answer."""
    stored = context_page(source, context_id)
    if found is None:
        return RerunPage(stored, source.harvest.id)
    agreement = found.agreement
    fires = agreement.live > 0
    live = dict(zip(agreement.positions[fires].tolist(), agreement.live[fires].tolist(), strict=True))
    lines = ContextLines(source.contexts, source.tokens, source.feature.peak)
    return RerunPage(
        stored=stored,
        harvest=source.harvest.id,
        verdict=_verdict(source, found),
        live=lines.whole(context_id, live).segments,
        rows=_rows(source, context_id, agreement),
        worker=f"on {found.facts.get('device', UNKNOWN)} in {found.dtype}; harvested in {found.harvest_dtype}",
    )


def _verdict(source: FeatureSource, found: Rerun) -> Verdict:
    agreement, peak = found.agreement, source.feature.peak
    sentences = (_difference(agreement, peak, found.tolerance), *_flips(agreement))
    if found.others:
        named = " and ".join(found.others)
        told = (
            f"By its hash, the {named} on the worker is not what made harvest {source.harvest.id}. The numbers need "
            "not agree, and this says nothing of either."
        )
        return Verdict(None, f"Another {named} than the harvest's", (told, *sentences))
    if agreement.passes:
        return Verdict(True, "Live gives what is stored", sentences)
    return Verdict(False, "Live differs from what is stored", sentences)


def _difference(agreement: Agreement, peak: float, tolerance: float) -> str:
    n_both = int((~agreement.is_flip).sum())
    if not n_both:
        return "No token fires on both sides." if agreement.n_flips else "Silent on both sides, at every token."
    part = agreement.greatest / peak if peak else 0.0
    return (
        f"Greatest difference over {plural(n_both, 'token')} that fire on both sides: {significant(agreement.greatest)}"
        f", {share(part)} of the feature's greatest activation; {share(tolerance)} and the step of the storage, "
        f"{significant(agreement.allowed)} together, are allowed."
    )


def _flips(agreement: Agreement) -> tuple[str, ...]:
    if not agreement.n_flips:
        return ("No token fires on one side only.",)
    near, far = agreement.n_flips - agreement.n_unexplained, agreement.n_unexplained
    told = f"{plural(agreement.n_flips, 'token')} fire on one side only: {count(near)} within rounding of the bar"
    return (f"{told}, {count(far)} not.",)


def _rows(source: FeatureSource, context_id: int, agreement: Agreement) -> tuple[RerunRow, ...]:
    texts = source.tokens.texts(source.contexts[context_id].token_ids.tolist())
    maximum = source.feature.peak
    columns = zip(
        agreement.positions.tolist(),
        agreement.stored.tolist(),
        agreement.live.tolist(),
        agreement.is_near.tolist(),
        strict=True,
    )
    rows = []
    for position, stored, live, is_near in columns:
        note, is_wrong = _note(stored, live, is_near=is_near, allowed=agreement.allowed)
        rows.append(
            RerunRow(
                position=position,
                text=texts[position].replace(" ", SPACE),
                stored=significant(stored) if stored > 0 else "silent",
                live=significant(live) if live > 0 else "silent",
                difference=signed(live - stored),
                stored_level=level_of(stored, maximum),
                live_level=level_of(live, maximum),
                note=note,
                is_wrong=is_wrong,
            )
        )
    return tuple(rows)


def _note(stored: float, live: float, *, is_near: bool, allowed: float) -> tuple[str, bool]:
    """What there is to say of a token, and whether it is a fault."""
    if (stored > 0) != (live > 0):
        return ("within rounding of its bar", False) if is_near else ("on one side only", True)
    return ("beyond the tolerance", True) if abs(live - stored) > allowed else ("", False)
