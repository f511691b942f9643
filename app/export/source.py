"""What an export reads: one dictionary in one harvest, feature by feature, reserve contexts left out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from app.library import Library, NotHarvested
from app.pages.feature import FeatureSource
from catalog.queries import MAX_LIMIT, FeatureListPage, FeatureQuery
from catalog.records import DictionaryRecord, DictionarySummary, HarvestRecord
from catalog.tokens import Vocabulary

Progress = Callable[[int, int], None]
"""Told how many features are done, and of how many."""


@dataclass(frozen=True, slots=True)
class ExportSource:
    """One dictionary in one harvest."""

    library: Library
    dictionary: DictionaryRecord
    harvest: HarvestRecord
    summary: DictionarySummary | None
    vocabulary: Vocabulary

    @classmethod
    def open(cls, library: Library, slug: str, harvest_id: str | None = None) -> "ExportSource":
        """The dictionary in the harvest named, else the newest complete one. Raises NotFound, NotHarvested."""
        record = library.dictionary(slug)
        if harvest_id is None and (record.harvest is None or record.harvest.status != "complete"):
            raise NotHarvested(record)
        harvest = library.harvest(record, harvest_id)
        summary = library.reader.summary(harvest.id, slug)
        return cls(library, record, harvest, summary, library.vocabulary(record))

    @property
    def n_features(self) -> int:
        """How many features there are to write."""
        return self.dictionary.d_sae

    def features(self, on_progress: Progress) -> Iterator[FeatureSource]:
        """Every feature in order of its index."""
        for index in range(self.n_features):
            yield self.library.feature(self.dictionary.slug, index, self.harvest.id)
            on_progress(index + 1, self.n_features)

    def lists(self, page_size: int) -> Iterator[tuple[FeatureQuery, FeatureListPage]]:
        """The list of features in pages, densest first."""
        query = FeatureQuery(self.dictionary.slug, harvest=self.harvest.id, limit=min(page_size, MAX_LIMIT))
        while True:
            page = self.library.reader.features(query)
            yield query, page
            if page.next is None:
                return
            query = replace(query, after=page.next)
