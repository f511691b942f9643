"""Puts labels from a file into the catalog, or says what that would change. Nothing that is there is overwritten.

A label that is there already goes on to the file's wording only where what it says here is an earlier wording of it
there. The dry run and the real one decide by the same lines.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from sqlalchemy import Engine

from app.label_files.reading import Unread
from catalog.engine import session_scope
from catalog.errors import NotFound
from catalog.label_records import LabelImport, PersonRecord
from catalog.reader import CatalogReader
from catalog.records import DictionaryRecord
from catalog.writer import CatalogWriter

Fate = Literal["new", "changed", "unchanged", "kept", "refused"]
FATES: Mapping[Fate, str] = {
    "new": "added",
    "changed": "given the file's newer wording",
    "unchanged": "the same already, or newer here",
    "kept": "left as they are here, for they differ and a person has to settle it",
    "refused": "not taken",
}
"""What becomes of a label, and how that is said of several."""
AT_ONCE = 20
"""Labels in one transaction, so that people who label meanwhile wait for some tens of milliseconds at most."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What becomes of one label of the file. place: dictionary and index, as far as they are known."""

    fate: Fate
    place: str
    text: str
    reason: str = ""


class Importer:
    """Imports into one catalog. dictionary: slug that all labels are for, whatever the file says. by: who imports."""

    def __init__(self, engine: Engine, *, by: PersonRecord, dictionary: str | None = None) -> None:
        self._engine = engine
        self._by = by
        self._seen: set[str] = set()
        with session_scope(engine) as session:
            reader = CatalogReader(session)
            self._only = None if dictionary is None else reader.dictionary(dictionary)
            self._known = _known(reader.dictionaries())

    def run(self, labels: Iterable[LabelImport | Unread], *, dry: bool) -> Iterator[Decided]:
        """What becomes of each label, in the order of the file; unless dry, it is done as well, portion by portion."""
        stream = iter(labels)
        while portion := list(islice(stream, AT_ONCE)):
            with session_scope(self._engine, write=not dry) as session:
                reader = CatalogReader(session)
                writer = None if dry else CatalogWriter(session)
                decided = [self._one(each, reader, writer) for each in portion]
            yield from decided

    def _one(self, given: LabelImport | Unread, reader: CatalogReader, writer: CatalogWriter | None) -> Decided:
        if isinstance(given, Unread):
            return Decided("refused", f"entry {given.place}", "", given.reason)
        text = given.wordings[-1].text
        dictionary = self._dictionary(given)
        if dictionary is None:
            named = given.neuronpedia or given.dictionary or given.dictionary_hash or "none"
            reason = f"The catalog knows no dictionary {named!r}; name the one that is meant with --dictionary."
            return Decided("refused", f"feature {given.index}", text, reason)
        place = f"{dictionary.slug}/{given.index}"
        if not 0 <= given.index < dictionary.d_sae:
            return Decided("refused", place, text, f"The dictionary has features 0 to {dictionary.d_sae - 1}.")
        fate, reason = self._decide(given, dictionary, reader)
        if writer is not None:
            self._do(fate, given, dictionary, reader=reader, writer=writer)
        return Decided(fate, place, text, reason)

    def _dictionary(self, given: LabelImport) -> DictionaryRecord | None:
        if self._only is not None:
            return self._only
        names = (given.dictionary_hash, given.dictionary, given.neuronpedia)
        return next((self._known[name] for name in names if name in self._known), None)

    def _decide(self, given: LabelImport, dictionary: DictionaryRecord, reader: CatalogReader) -> tuple[Fate, str]:
        if given.key in self._seen:
            return "unchanged", "It stands in the file more than once."
        self._seen.add(given.key)
        try:
            here = reader.labels.one(given.key)
        except NotFound:
            return "new", ""
        if (here.dictionary, here.index) != (dictionary.slug, given.index):
            return "kept", f"Its key belongs to a label of {here.dictionary}/{here.index}."
        if here.content == given.wordings[-1]:
            return "unchanged", ""
        if any(change.content == given.wordings[-1] for change in reader.labels.history(given.key)):
            return "unchanged", "It has been reworded here since."
        if here.content in given.wordings and not here.is_hidden:
            return "changed", f"From {here.text!r}."
        return "kept", f"It says {here.text!r} here."

    def _do(
        self,
        fate: Fate,
        given: LabelImport,
        dictionary: DictionaryRecord,
        *,
        reader: CatalogReader,
        writer: CatalogWriter,
    ) -> None:
        if fate == "new":
            writer.labels.take_in((dictionary.slug, given.index), given, by=self._by)
        elif fate == "changed":
            version = reader.labels.one(given.key).version
            writer.labels.edit(given.key, given.wordings[-1], version=version, by=self._by)


def _known(dictionaries: Iterable[DictionaryRecord]) -> dict[str | None, DictionaryRecord]:
    """Dictionaries by hash, by slug, and by what their configuration says that Neuronpedia calls them."""
    known: dict[str | None, DictionaryRecord] = {}
    for each in dictionaries:
        metadata = each.config.get("metadata")
        inner = metadata if isinstance(metadata, Mapping) else {}
        for name in (each.config.get("neuronpedia_id"), inner.get("neuronpedia_id"), each.slug, each.hash):
            if isinstance(name, str) and name:
                known[name] = each
    return known
