"""The harvests of a dictionary that a page can show, and what one of some features only leaves out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.pages.numbers import count
from catalog.records import DictionaryRecord, HarvestRecord

LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class HarvestChoice:
    """One harvest to choose. note: its extent in words. versus: where it stands beside the one shown, or nothing."""

    id: str
    corpus: str
    note: str
    href: str
    is_shown: bool
    versus: str = ""


def harvest_choices(
    harvests: Sequence[HarvestRecord],
    shown: HarvestRecord,
    *,
    href: Callable[[str], str],
    versus: Callable[[str], str] | None = None,
) -> tuple[HarvestChoice, ...]:
    """The complete harvests, and the one shown whatever its state; none where there is nothing to choose.

    href, versus: from the id of a harvest to the address of the page, and of a comparison with the harvest shown.
    """
    offered = [each for each in harvests if each.status == "complete" or each.id == shown.id]
    if len(offered) < 2:
        return ()
    return tuple(
        HarvestChoice(
            id=each.id,
            corpus=each.corpus,
            note=extent_and_features(each),
            href=href(each.id),
            is_shown=each.id == shown.id,
            versus=versus(each.id) if versus is not None and each.id != shown.id else "",
        )
        for each in offered
    )


def extent(harvest: HarvestRecord) -> str:
    """How much a harvest went through."""
    return f"{count(harvest.tokens)} tokens"


def extent_and_features(harvest: HarvestRecord) -> str:
    """How much a harvest went through, and of which features where not of all."""
    return extent(harvest) + ("" if harvest.features is None else f", features {shortened(harvest.features)}")


def subset_sentence(dictionary: DictionaryRecord, harvest: HarvestRecord | None) -> str:
    """What a harvest of some features leaves out; nothing for one of all."""
    if harvest is None or harvest.features is None:
        return ""
    return (
        f"This harvest is of some of the {count(dictionary.d_sae)} features only: {shortened(harvest.features)}. "
        "Co-active features and near misses were looked for among these."
    )


def shortened(features: str) -> str:
    """Numbers and ranges with room to wrap, the end of a long list left out."""
    text = features.replace(",", ", ")
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN].rsplit(', ', 1)[0]}, …"
