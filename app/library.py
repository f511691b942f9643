"""Reads what a page needs from the catalog in few queries, and keeps what never changes.

Vocabularies are kept for good, contexts as long as there is room, and the records of dictionaries, models and
harvests for a moment.
"""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from app.pages.feature import FeatureSource
from app.pages.provenance import provenance
from app.pages.tokens import TokenText
from catalog.errors import NotFound
from catalog.queries import FeatureListPage, FeatureQuery
from catalog.reader import CatalogReader
from catalog.reader.kept_blocks import KeptBlocks
from catalog.records import DictionaryRecord, HarvestRecord, ModelRecord, PageHead
from catalog.tokens import Vocabulary

KEPT_FOR_S = 2.0
MOST_KEPT = 1000
Kept = TypeVar("Kept")


class NotHarvested(NotFound):
    """A feature was asked for of a dictionary of which nothing has been harvested."""

    def __init__(self, dictionary: DictionaryRecord) -> None:
        super().__init__(
            "harvest of dictionary",
            dictionary.slug,
            hint=f"Make one with: featurescope harvest {dictionary.slug}",
        )


class FeatureNotFound(NotFound):
    """A number beyond the end of a dictionary. nearest_index: the feature closest to it."""

    def __init__(self, dictionary: DictionaryRecord, index: int) -> None:
        super().__init__("feature", f"{dictionary.slug}/{index}")
        self.dictionary = dictionary.slug
        self.nearest_index = min(max(index, 0), dictionary.d_sae - 1)
        self.args = (f"{dictionary.name!r} has features 0 to {dictionary.d_sae - 1}; there is no feature {index}.",)


class NotInSubset(NotFound):
    """A feature that a harvest of some features only leaves out."""

    def __init__(self, dictionary: DictionaryRecord, index: int, harvest: HarvestRecord) -> None:
        super().__init__(
            "feature",
            f"{dictionary.slug}/{index}",
            hint=f"See another harvest of it, or make one: featurescope harvest {dictionary.slug} --features {index}",
        )
        self.dictionary, self.harvest = dictionary.slug, harvest.id
        self.args = (
            f"Harvest {harvest.id} of {dictionary.name!r} is of features {harvest.features} only; feature {index} is "
            "not among them.",
        )


class Shelf:
    """What requests share. Safe between threads: the worst that happens is that something is read twice."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.blocks = KeptBlocks()
        self._tokens: dict[str, TokenText] = {}
        self._kept: dict[tuple[object, ...], tuple[float, object]] = {}
        self._heads: dict[tuple[str, str | None], tuple[float, PageHead]] = {}

    def tokens(self, tokenizer_hash: str, read: Callable[[], TokenText]) -> TokenText:
        """Token text of a tokenizer, read once."""
        with self._lock:
            if tokenizer_hash not in self._tokens:
                self._tokens[tokenizer_hash] = read()
            return self._tokens[tokenizer_hash]

    def recent(self, key: tuple[object, ...], read: Callable[[], Kept]) -> Kept:
        """A value that may be KEPT_FOR_S old; what `read` raises is not kept."""
        now = self._clock()
        kept = self._kept.get(key)
        if kept is not None and now - kept[0] < KEPT_FOR_S:
            return kept[1]  # pyright: ignore[reportReturnType]
        value = read()
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[key] = (now, value)
        return value

    def head(self, slug: str, harvest_id: str | None) -> PageHead | None:
        """What the pages of a dictionary share, where one was read within KEPT_FOR_S."""
        kept = self._heads.get((slug, harvest_id))
        return kept[1] if kept is not None and self._clock() - kept[0] < KEPT_FOR_S else None

    def keep_head(self, slug: str, harvest_id: str | None, head: PageHead) -> None:
        """Keep a head for KEPT_FOR_S."""
        if len(self._heads) >= MOST_KEPT:
            self._heads.clear()
        self._heads[slug, harvest_id] = (self._clock(), head)


class Library:
    """One request's view of the catalog."""

    def __init__(self, reader: CatalogReader, shelf: Shelf) -> None:
        self.reader = reader
        self._shelf = shelf

    def dictionary(self, slug: str) -> DictionaryRecord:
        """A dictionary with its newest harvest. Raises NotFound naming the nearest slugs."""
        found = self._shelf.recent(("dictionary", slug), lambda: self.reader.dictionary(slug))
        # A preview may be gone the next moment, with all its pages.
        is_fleeting = found.harvest is not None and found.harvest.so_far is not None
        return self.reader.dictionary(slug) if is_fleeting else found

    def named(self, name: str) -> DictionaryRecord:
        """The dictionary of a hash or of a slug, as programs name one. Raises NotFound naming the nearest slugs."""
        return self.reader.dictionary_by_hash(name) or self.dictionary(name)

    def dictionary_with(self, slug: str, index: int) -> DictionaryRecord:
        """A dictionary that has a feature of that index. Raises NotFound, FeatureNotFound."""
        dictionary = self.dictionary(slug)
        if not 0 <= index < dictionary.d_sae:
            raise FeatureNotFound(dictionary, index)
        return dictionary

    def dictionaries(self) -> list[DictionaryRecord]:
        """Every dictionary, in the catalog's order."""
        return self._shelf.recent(("dictionaries",), lambda: list(self.reader.dictionaries()))

    def models(self) -> list[ModelRecord]:
        """Every model."""
        return self._shelf.recent(("models",), lambda: list(self.reader.models()))

    def model(self, slug: str) -> ModelRecord:
        """A model. Raises NotFound."""
        return self._shelf.recent(("model", slug), lambda: self.reader.model(slug))

    def harvest(self, dictionary: DictionaryRecord, harvest_id: str | None) -> HarvestRecord:
        """The harvest asked for, else the newest. Raises NotFound, NotHarvested."""
        if harvest_id is not None:
            return self._shelf.recent(("harvest", harvest_id), lambda: self.reader.harvest(harvest_id))
        if dictionary.harvest is None:
            raise NotHarvested(dictionary)
        return dictionary.harvest

    def harvests(self, slug: str) -> list[HarvestRecord]:
        """The harvests of a dictionary, newest first, whatever their status."""
        return self._shelf.recent(("harvests", slug), lambda: self.reader.harvests(slug))

    def tokens(self, dictionary: DictionaryRecord) -> TokenText:
        """Readable token text of the dictionary's model."""
        tokenizer_hash = self.model(dictionary.model).tokenizer_hash
        return self._shelf.tokens(tokenizer_hash, lambda: TokenText(self.reader.vocabulary(tokenizer_hash)))

    def vocabulary(self, dictionary: DictionaryRecord) -> Vocabulary:
        """Bytes of the tokens of the dictionary's model."""
        return self.tokens(dictionary).vocabulary

    def feature(self, slug: str, index: int, harvest_id: str | None = None) -> FeatureSource:
        """Everything the page of one feature needs, in at most three queries. Raises NotFound in its kinds."""
        head = self._shelf.head(slug, harvest_id)
        try:
            data = self.reader.feature_page_data(slug, index, harvest_id, head=head)
        except NotFound as error:
            raise self._explained(error, slug, index, harvest_id) from error
        if head is None and data.head is not None and data.harvest.so_far is None:
            self._shelf.keep_head(slug, harvest_id, data.head)
        facts = self._shelf.recent(
            ("provenance", data.dictionary.hash, data.harvest.id), lambda: provenance(data.dictionary, data.harvest)
        )
        examples = self.reader.examples(data.dictionary.hash, index) if data.n_examples else ()
        return FeatureSource(data, self.tokens(data.dictionary), facts, tuple(examples))

    def features(self, dictionary: DictionaryRecord, query: FeatureQuery) -> FeatureListPage:
        """One page of the dictionary's features; its vocabulary, which is kept, makes rare tokens quick to find."""
        return self.reader.features(query, vocabulary=self.vocabulary(dictionary) if query.token_contains else None)

    def random_feature(self, slug: str, seed: int, harvest_id: str | None = None) -> int:
        """A live feature drawn by the seed. Raises NotFound where there is none."""
        index = self.reader.random_live(slug, seed, harvest_id)
        if index is None:
            raise NotFound("live feature of dictionary", slug)
        return index

    def _explained(self, error: NotFound, slug: str, index: int, harvest_id: str | None) -> NotFound:
        """The error with the nearest way out: the dictionary, its harvest, or its range of features."""
        dictionary = self.reader.dictionary(slug)
        if not 0 <= index < dictionary.d_sae:
            return FeatureNotFound(dictionary, index)
        harvest = dictionary.harvest if harvest_id is None else self.reader.harvest(harvest_id)
        if harvest is None:
            return NotHarvested(dictionary)
        return error if harvest.features is None else NotInSubset(dictionary, index, harvest)
