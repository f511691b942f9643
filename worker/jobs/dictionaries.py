"""From a dictionary's row in the catalog to its weights, checked to be those that were registered."""

from pathlib import Path

from catalog.records import DictionaryRecord
from worker.jobs.basis_file import load_basis
from worker.jobs.errors import JobError
from worker.jobs.places import TRAINED_LAST, basis_place, trained_place
from worker.jobs.sources import locate
from worker.jobs.store import Store
from worker.sae import formats
from worker.sae.dictionary import Dictionary

BASIS_PREFIX = "basis:"


def load_dictionary(record: DictionaryRecord, store: Store) -> Dictionary:
    """The weights behind a row: from its source, or from the store where another machine made them.

    Raises JobError where what lies at the source now is something else.
    """
    is_basis = record.source.startswith(BASIS_PREFIX)
    source = record.source.removeprefix(BASIS_PREFIX) if is_basis else locate(record.source)
    place = basis_place(record.hash) if is_basis else trained_place(record.hash)
    if store.is_shared and not Path(source).exists() and store.has(place if is_basis else f"{place}/{TRAINED_LAST}"):
        source = str(store.take(place))
    dictionary = load_basis(Path(source)) if is_basis else formats.load(source)
    if dictionary.hash != record.hash:
        raise JobError(
            f"What lies at {record.source!r} is no longer the dictionary {record.slug!r}: its hash is "
            f"{dictionary.hash[:12]}, registered was {record.hash[:12]}. Put the old files back, or add the new ones "
            "under another name."
        )
    return dictionary
