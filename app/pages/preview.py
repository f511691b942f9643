"""What a page says when its numbers are a preview of a harvest that is still under way, or stopped half-way."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.pages.numbers import count
from catalog.records import HarvestRecord


@dataclass(frozen=True, slots=True)
class PreviewNotice:
    """extent: what the numbers are from; outlook: what will become of them. goes_on: the harvest is under way."""

    extent: str
    outlook: str
    goes_on: bool


def preview_notice(harvest: HarvestRecord | None) -> PreviewNotice | None:
    """The notice of a page; None where it shows a whole harvest, or none."""
    if harvest is None or harvest.so_far is None:
        return None
    stopped = harvest.so_far.get("stopped")
    outlook = "The harvest goes on; numbers will change."
    if stopped is not None:
        how = "was cancelled" if stopped == "cancelled" else "failed"
        outlook = f"The harvest {how} there. Ask for it again, and it goes on from its finished shards."
    return PreviewNotice(f"{_extent(harvest.so_far)}.", outlook, goes_on=stopped is None)


def preview_words(so_far: Mapping[str, Any]) -> str:
    """The same in a phrase, for a list."""
    return f"preview {_extent(so_far)}".replace("From", "from", 1)


def _extent(so_far: Mapping[str, Any]) -> str:
    shards = f"{count(so_far['shards'])} of {count(so_far['of_shards'])} shards"
    return f"From {shards}, {count(so_far['tokens'])} of {count(so_far['of_tokens'])} tokens"
