"""What people do to labels from a page or a program: one writing session each, and the label as it is then."""

from collections.abc import Callable

from app.dependencies import Site
from catalog.engine import session_scope
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
        return CatalogReader(session).labels.one(key, me=by.name)


def change(site: Site, key: str, act: Callable[[LabelWriter], None], *, by: PersonRecord) -> LabelRecord:
    """The label after the act. Raises what the act raises; then nothing has changed."""
    with session_scope(site.engine, write=True) as session:
        act(CatalogWriter(session).labels)
        return CatalogReader(session).labels.one(key, me=by.name)
