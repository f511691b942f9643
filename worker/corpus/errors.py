"""What can be wrong with a corpus, its source or the folder it is kept in."""

from worker.errors import WorkerError


class CorpusError(WorkerError):
    """A corpus, or where its documents come from, is not as it must be."""


class SourceError(CorpusError):
    """A source of documents cannot be found or read."""


class CorpusBusy(CorpusError):
    """Another process is building the same corpus at this moment."""
