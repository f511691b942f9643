"""The dictionaries of a harvest, of which only those that were asked for last are in memory."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from catalog.records import DictionaryRecord
from worker.corpus.errors import CorpusError
from worker.jobs.dictionaries import load_dictionary
from worker.jobs.errors import JobError, NotAtHand
from worker.jobs.store import Store
from worker.lm.errors import ModelFilesError, ModelNotFound, TokenizerError
from worker.sae.dictionary import Dictionary
from worker.sae.errors import DictionaryFileError

FILES = (JobError, CorpusError, DictionaryFileError, ModelFilesError, ModelNotFound, TokenizerError, OSError)


class Shelf:
    """Threads may ask at once; dictionaries are loaded one at a time. records: what they are, in their order."""

    def __init__(self, records: Sequence[DictionaryRecord], store: Store) -> None:
        self._records, self._store = records, store
        self._lock = threading.Lock()
        self._loaded: dict[int, Dictionary] = {}

    def take(self, numbers: Sequence[int]) -> tuple[Dictionary, ...]:
        """The dictionaries of these numbers. Where one of them has to be loaded, all others are let go of.

        Raises NotAtHand where this worker lacks a file, or has another in its place.
        """
        with self._lock:
            missing = [number for number in numbers if number not in self._loaded]
            if missing:
                self._loaded = {number: self._loaded[number] for number in numbers if number in self._loaded}
            for number in missing:
                record = self._records[number]
                with at_hand(f"the dictionary {record.slug}"):
                    self._loaded[number] = load_dictionary(record, self._store)
            return tuple(self._loaded[number] for number in numbers)

    def check(self) -> None:
        """Load each in turn, and none beside another. Raises as `take`."""
        for number in range(len(self._records)):
            self.take([number])

    def clear(self) -> None:
        """Let go of all."""
        with self._lock:
            self._loaded = {}


@contextmanager
def at_hand(what: str) -> Iterator[None]:
    """Files are opened in this block. Raises NotAtHand where one is missing or is not what it was."""
    try:
        yield
    except FILES as error:
        if isinstance(error, NotAtHand):
            raise
        raise NotAtHand(f"It lacks {what}: {error}") from error
