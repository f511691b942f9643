"""The door through which everything is read. The SQL is in the files beside this one, a file per noun."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from catalog.queries import FeatureListPage, FeatureQuery
from catalog.reader import contexts, dictionaries, examples, feature_lists, features, harvests, jobs, models
from catalog.reader.accounts import AccountReader
from catalog.reader.kept_blocks import KeptBlocks
from catalog.reader.labels import LabelReader
from catalog.records import (
    ContextRecord,
    CorpusRecord,
    DictionaryRecord,
    DictionarySummary,
    ExampleRecord,
    FeaturePageData,
    FeatureRecord,
    FeatureScales,
    FeatureSummary,
    HarvestRecord,
    JobRecord,
    JobStatus,
    ModelRecord,
    PageHead,
    Reserve,
    WorkerRecord,
)
from catalog.tokens import Vocabulary

ALIVE_WITHIN_S = 30.0


class CatalogReader:
    """Reads through one session of `catalog.engine.session_scope`; every query uses an index.

    Where a harvest can be named and is not, the newest complete one is meant, else the newest unfinished one.
    What is not there raises NotFound with the nearest names. kept: contexts that readers of one catalog share.
    labels: the labels and whoever gave them. accounts: how people sign in.
    """

    def __init__(self, session: Session, kept: KeptBlocks | None = None) -> None:
        self._session = session
        self._kept = kept or KeptBlocks()
        self.labels = LabelReader(session)
        self.accounts = AccountReader(session)

    def models(self) -> list[ModelRecord]:
        """Every model, by name."""
        return models.all_models(self._session)

    def model(self, slug: str) -> ModelRecord:
        """The model of that slug."""
        return models.one_model(self._session, slug)

    def corpora(self) -> list[CorpusRecord]:
        """Every corpus, by name."""
        return models.all_corpora(self._session)

    def corpus(self, slug: str) -> CorpusRecord:
        """The corpus of that slug."""
        return models.one_corpus(self._session, slug)

    def vocabulary(self, tokenizer_hash: str) -> Vocabulary:
        """The bytes of every token of a tokenizer. It never changes, so callers may keep it by its hash."""
        return models.vocabulary(self._session, tokenizer_hash)

    def dictionaries(self) -> list[DictionaryRecord]:
        """Every dictionary, oldest first, each with the harvest it shows."""
        return dictionaries.all_dictionaries(self._session)

    def dictionary(self, slug: str) -> DictionaryRecord:
        """The dictionary of that slug."""
        return dictionaries.one_dictionary(self._session, slug)

    def dictionary_by_hash(self, identity: str) -> DictionaryRecord | None:
        """The dictionary of that identity, or None."""
        return dictionaries.by_hash(self._session, identity)

    def harvest(self, harvest_id: str) -> HarvestRecord:
        """The harvest of that id, whatever its status."""
        return harvests.one_harvest(self._session, harvest_id)

    def harvests(self, dictionary_slug: str | None = None) -> list[HarvestRecord]:
        """The harvests of a dictionary, or all of them, newest first, whatever their status."""
        return harvests.all_harvests(self._session, dictionary_slug)

    def summary(self, harvest_id: str, dictionary_slug: str) -> DictionarySummary | None:
        """What a harvest says of a whole dictionary; None while it has not been written."""
        return harvests.summary(self._session, harvest_id, dictionary_slug)

    def token_counts(self, harvest_id: str) -> NDArray[np.int64] | None:
        """How often each token id occurs in what the harvest went through; None while it has not been written."""
        return harvests.token_counts(self._session, harvest_id)

    def features(self, query: FeatureQuery, *, vocabulary: Vocabulary | None = None) -> FeatureListPage:
        """One page of a dictionary's features; an empty one where it has no harvest.

        vocabulary: of the dictionary's model. With it, features of a rare token are found by an index.
        """
        return feature_lists.list_features(self._session, query, vocabulary)

    def some_features(self, slug: str, indices: Iterable[int], harvest_id: str | None = None) -> list[FeatureSummary]:
        """The lines of those features that the harvest has, by index; none where there is no harvest."""
        return feature_lists.some_features(self._session, slug, harvest_id, indices)

    def feature_scales(self, slug: str, indices: Iterable[int], harvest_id: str | None = None) -> FeatureScales:
        """How often those features fire and how strongly at most; empty where there is no harvest."""
        return feature_lists.scales(self._session, slug, harvest_id, indices)

    def histograms(
        self, slug: str, indices: Iterable[int], harvest_id: str | None = None
    ) -> Mapping[int, tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """The activation histogram of each of those features: bins of `catalog.grid`, and firing tokens in them."""
        return features.histograms(self._session, slug, harvest_id, indices)

    def feature(self, slug: str, index: int, harvest_id: str | None = None) -> FeatureRecord:
        """Everything of one feature except its reserve, which is empty here."""
        return features.one_feature(self._session, (slug, index, harvest_id))

    def reserve(self, slug: str, index: int, harvest_id: str | None = None) -> Reserve:
        """The contexts kept for blind tests. Nothing that answers a person may show them outside one."""
        return features.reserve(self._session, (slug, index, harvest_id))

    def feature_page_data(
        self, slug: str, index: int, harvest_id: str | None = None, *, head: PageHead | None = None
    ) -> FeaturePageData:
        """All that a feature's page needs, in three queries; cheaper ones with the head of a page like it."""
        return features.page_data(self._session, (slug, index, harvest_id), self._kept, head)

    def previous_live(self, slug: str, index: int, harvest_id: str | None = None) -> int | None:
        """The nearest live feature before the index, or None."""
        return features.previous_live(self._session, (slug, index, harvest_id))

    def next_live(self, slug: str, index: int, harvest_id: str | None = None) -> int | None:
        """The nearest live feature behind the index, or None."""
        return features.next_live(self._session, (slug, index, harvest_id))

    def random_live(self, slug: str, seed: int, harvest_id: str | None = None) -> int | None:
        """A live feature chosen by the seed: the first from a random index on. None where all are dead."""
        return features.random_live(self._session, slug, seed=seed, harvest_id=harvest_id)

    def contexts(self, harvest_id: str, ids: Iterable[int]) -> Mapping[int, ContextRecord]:
        """The contexts of those ids, in two queries. Raises NotFound naming the first that is not stored."""
        return contexts.by_ids(self._session, harvest_id, ids, self._kept)

    def examples(self, dictionary_hash: str, index: int) -> list[ExampleRecord]:
        """Every text that is pinned to a feature, newest first."""
        return examples.of_feature(self._session, dictionary_hash, index)

    def jobs(self, limit: int = 100) -> list[JobRecord]:
        """Jobs, newest first."""
        return jobs.all_jobs(self._session, limit)

    def job(self, job_id: str) -> JobRecord:
        """The job of that id."""
        return jobs.one_job(self._session, job_id)

    def job_counts(self) -> dict[str, int]:
        """How many jobs there are of each status that occurs."""
        return jobs.counts_by_status(self._session)

    def job_rates(self) -> dict[str, float]:
        """Units a second of all running jobs together, by unit."""
        return jobs.running_rates(self._session)

    def some_jobs(self, ids: Iterable[str]) -> Mapping[str, JobRecord]:
        """The jobs of those ids that there are, by id."""
        return jobs.some_jobs(self._session, ids)

    def jobs_in(self, *statuses: JobStatus) -> list[JobRecord]:
        """Jobs of those statuses, the next first: by priority, then by age."""
        return jobs.jobs_in(self._session, statuses)

    def workers(self, *, alive_within_s: float = ALIVE_WITHIN_S) -> list[WorkerRecord]:
        """Workers, the last heard of first; alive are those heard of within that many seconds."""
        return jobs.workers(self._session, alive_within_s)
