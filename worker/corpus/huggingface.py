"""A Hugging Face dataset, streamed: by hub name, or from a local dataset folder."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import datasets
from datasets.exceptions import DatasetsError

from worker.corpus.document import Document
from worker.corpus.errors import SourceError
from worker.corpus.records import choose_field, document_of
from worker.corpus.source import Conversation, Tally


@dataclass(frozen=True, slots=True)
class HuggingFaceDataset:
    """One split of a dataset, read row by row without being downloaded first.

    name: on the hub, or a local folder. config: which of the dataset's configurations. field: the column of texts
    or conversations; None for text, messages or content. revision: a commit or tag, so that it stays the same.
    """

    name: str
    split: str = "train"
    field: str | None = None
    config: str | None = None
    revision: str | None = None

    @property
    def description(self) -> Mapping[str, Any]:
        extra = {"field": self.field, "config": self.config, "revision": self.revision}
        given = {key: value for key, value in extra.items() if value is not None}
        return {"kind": "hf", "name": self.name, "split": self.split, **given}

    def documents(self, tally: Tally | None = None) -> Iterator[Document | Conversation]:
        """Named NAME/SPLIT:ROW, rows counted from 1. Raises SourceError."""
        for number, row in enumerate(self._rows(), start=1):
            where = f"Dataset {self.name!r}, {self.split} row {number},"
            field = choose_field(self.field, row, where)
            yield document_of(row[field], f"{self.name}/{self.split}:{number}", f"{where} field {field!r}")

    def _rows(self) -> Iterator[Mapping[str, Any]]:
        try:
            yield from datasets.load_dataset(
                self.name, self.config, split=self.split, revision=self.revision, streaming=True
            )
        except (DatasetsError, OSError, ValueError, RuntimeError) as error:
            raise SourceError(
                f"Dataset {self.name!r}, split {self.split!r}, cannot be streamed: {error} "
                "Check the name, the split and the network."
            ) from error
