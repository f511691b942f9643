"""From a dictionary's row in the catalog to its weights, checked to be those that were registered."""

from pathlib import Path

from catalog.records import DictionaryRecord
from worker.jobs.basis_file import load_basis
from worker.jobs.errors import JobError
from worker.jobs.sources import locate
from worker.sae import formats
from worker.sae.dictionary import Dictionary

BASIS_PREFIX = "basis:"


def load_dictionary(record: DictionaryRecord) -> Dictionary:
    """The weights behind a row. Raises JobError where what lies at the source now is something else."""
    if record.source.startswith(BASIS_PREFIX):
        dictionary = load_basis(Path(record.source.removeprefix(BASIS_PREFIX)))
    else:
        dictionary = formats.load(locate(record.source))
    if dictionary.hash != record.hash:
        raise JobError(
            f"What lies at {record.source!r} is no longer the dictionary {record.slug!r}: its hash is "
            f"{dictionary.hash[:12]}, registered was {record.hash[:12]}. Put the old files back, or add the new ones "
            "under another name."
        )
    return dictionary
