"""Where numbers come from: the facts of a harvest and a dictionary, in readable pairs."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from app.pages.numbers import count
from catalog.records import POSITION_TOKENS, SO_FAR, DictionaryRecord, HarvestRecord

_SAID_ELSEWHERE = (POSITION_TOKENS, SO_FAR)


class Fact(NamedTuple):
    """A name and its value, as text. note: a plain sentence beneath, or empty."""

    name: str
    value: str
    note: str = ""


def provenance(dictionary: DictionaryRecord, harvest: HarvestRecord | None) -> tuple[Fact, ...]:
    """Everything needed to make the numbers of a page again."""
    facts = [
        Fact("Model", dictionary.model),
        Fact("Hook", dictionary.hook_name),
        Fact("Dictionary", f"{dictionary.name} ({dictionary.kind}, {count(dictionary.d_sae)} features)"),
        Fact("Dictionary hash", dictionary.hash),
        Fact("Source", dictionary.source),
        *_mapping("Conventions", dictionary.conventions),
        *_mapping("Configuration", dictionary.config),
    ]
    if harvest is not None:
        facts += [
            Fact("Harvest", harvest.id),
            Fact("Corpus", harvest.corpus),
            Fact(
                "Extent",
                f"{count(harvest.tokens)} tokens in {count(harvest.n_contexts)} contexts "
                f"of {count(harvest.n_documents)} documents",
                "Special tokens are left out of every count.",
            ),
            Fact("Harvested", _moment(harvest.finished_at or harvest.created_at)),
            *_mapping("", {key: value for key, value in harvest.provenance.items() if key not in _SAID_ELSEWHERE}),
        ]
    return tuple(facts)


def _mapping(prefix: str, values: Mapping[str, Any]) -> list[Fact]:
    """One fact a key, nested mappings joined into a phrase."""
    facts = []
    for key, value in values.items():
        name = key.replace("_", " ")
        facts.append(Fact(f"{prefix}: {name}" if prefix else name.capitalize(), _phrase(value)))
    return facts


def _phrase(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{str(key).replace('_', ' ')} {_phrase(item)}" for key, item in value.items()) or "–"
    if isinstance(value, list | tuple):
        return ", ".join(_phrase(item) for item in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "–"
    return count(value) if isinstance(value, int) and value >= 10_000 else str(value)


def _moment(iso: str) -> str:
    """An ISO 8601 moment without fractions of a second, in UTC."""
    return iso[:19].replace("T", " ") + " UTC"
