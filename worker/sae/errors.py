"""What can be wrong with a dictionary or its files."""

from worker.errors import WorkerError


class DictionaryError(WorkerError):
    """A dictionary, its weights or what is asked of it do not fit together."""


class DictionaryFileError(DictionaryError):
    """A dictionary's file is missing, damaged, or says things that cannot all be true."""


class UnsupportedDictionaryError(DictionaryError):
    """A dictionary is sound, but uses something that cannot be represented here."""
