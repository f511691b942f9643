"""Which dictionaries share a forward pass: those of one model that agree on their conventions."""

from collections.abc import Iterable

from catalog.records import DictionaryRecord
from worker.jobs.places import content_key


def harvest_groups(records: Iterable[DictionaryRecord]) -> list[tuple[str, ...]]:
    """Slugs by group, in the order given; each group is one pass of the corpus through one model."""
    groups: dict[str, list[str]] = {}
    for record in records:
        key = content_key(record.model, {**record.conventions, "excluded_tokens": _excluded(record)})
        groups.setdefault(key, []).append(record.slug)
    return [tuple(slugs) for slugs in groups.values()]


def _excluded(record: DictionaryRecord) -> list[int]:
    return sorted(int(token) for token in record.conventions.get("excluded_tokens", ()))
