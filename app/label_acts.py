"""What people do to labels from a page or a program: one writing session each, and the label as it is then."""

from collections.abc import Callable

from app.dependencies import Site
from catalog.engine import session_scope
from catalog.label_channel import FeaturePlace, LabelsChanged
from catalog.label_records import LabelContent, LabelRecord, PersonRecord
from catalog.reader import CatalogReader
from catalog.writer import CatalogWriter
from catalog.writer.labels import LabelWriter


def propose(
    site: Site, place: tuple[str, int], content: LabelContent, *, by: PersonRecord, harvest: str | None = None
) -> LabelRecord:
    """A new label of the feature of that index in the dictionary of that slug. Raises NotFound and BadLabel."""
    with session_scope(site.engine, write=True) as session:
        key = CatalogWriter(session).labels.propose(place, content, by=by, harvest=harvest)
        label = CatalogReader(session).labels.one(key, me=by.name)
    return _told(site, label)


def change(site: Site, key: str, act: Callable[[LabelWriter], None], *, by: PersonRecord) -> LabelRecord:
    """The label after the act. Raises what the act raises; then nothing has changed."""
    with session_scope(site.engine, write=True) as session:
        act(CatalogWriter(session).labels)
        label = CatalogReader(session).labels.one(key, me=by.name)
    return _told(site, label)


def _told(site: Site, label: LabelRecord) -> LabelRecord:
    """The label, after open pages of its feature have been told."""
    place = FeaturePlace(label.dictionary_hash, label.index)
    site.notifier.tell(LabelsChanged(place, label.feature_change))
    return label
