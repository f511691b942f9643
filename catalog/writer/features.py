"""Writes the features of one dictionary in one harvest: the narrow rows and the packed ones."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from catalog.errors import BadRecord
from catalog.packing import pack_many
from catalog.records import FeatureRecord
from catalog.schema import (
    LEAST_LIVE,
    DictionaryRow,
    FeaturePageRow,
    FeatureRow,
    HarvestRow,
    ModelRow,
    RunRow,
    VocabularyRow,
)
from catalog.sparklines import sparklines
from catalog.tokens import Vocabulary, searchable
from catalog.varints import encode_rows
from catalog.writer.bulk import ShortTransactions
from catalog.writer.upserts import upsert

BATCH = 256
_PACKERS = 2
Batch = TypeVar("Batch")
Rows = TypeVar("Rows")
_NO_TOKEN = -1
_NO_IDS = np.zeros(0, dtype=np.int64)
RowPair = tuple[dict[str, Any], dict[str, Any]]
"""The narrow row of a feature and its packed one."""


class FeatureWriter:
    """Writes features of one run; the run and the vocabulary are looked up once."""

    def __init__(self, session: Session, harvest_id: str, dictionary_slug: str) -> None:
        self._session = session
        self._slug = dictionary_slug
        self._run_id, self._d_sae, self._vocabulary = _find(session, harvest_id, dictionary_slug)
        session.commit()
        self._transactions = ShortTransactions(session)

    def write(self, features: Iterable[FeatureRecord], on_progress: Callable[[int], None] | None) -> int:
        """All the features, overwriting what is there; how many there were. on_progress: told how many so far."""
        written = 0
        with ThreadPoolExecutor(_PACKERS, thread_name_prefix="pack") as pool:
            for rows in _ahead(pool, self._rows, _batches(features)):
                self._transactions.write(rows, self._insert)
                written += len(rows)
                if on_progress is not None:
                    on_progress(written)
        return written

    @property
    def longest_hold_s(self) -> float:
        """The longest that one transaction held the database, in seconds."""
        return self._transactions.longest_hold_s

    def _rows(self, batch: list[FeatureRecord]) -> list[RowPair]:
        outside = [record.index for record in batch if not 0 <= record.index < self._d_sae]
        if outside:
            raise BadRecord(
                f"Dictionary {self._slug!r} has features 0 to {self._d_sae - 1}; there is no feature {outside[0]}."
            )
        return feature_rows(batch, run_id=self._run_id, vocabulary=self._vocabulary)

    def _insert(self, rows: Sequence[RowPair]) -> None:
        upsert(self._session, FeatureRow, [narrow for narrow, _ in rows])
        upsert(self._session, FeaturePageRow, [page for _, page in rows])


def _batches(features: Iterable[FeatureRecord]) -> Iterator[list[FeatureRecord]]:
    stream = iter(features)
    while batch := list(islice(stream, BATCH)):
        yield batch


def _ahead(pool: Executor, work: Callable[[Batch], Rows], batches: Iterable[Batch]) -> Iterator[Rows]:
    """What work makes of each batch, in order, the next ones made meanwhile: compressing takes half of the time."""
    waiting: deque[Future[Rows]] = deque()
    for batch in batches:
        waiting.append(pool.submit(work, batch))
        if len(waiting) > _PACKERS:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def feature_rows(batch: Sequence[FeatureRecord], *, run_id: int, vocabulary: Vocabulary) -> list[RowPair]:
    """What the catalog stores of each feature, by column. Raises BadRecord where a record contradicts itself."""
    lines = sparklines([(record.histogram_bins, record.histogram_counts) for record in batch])
    promoted = encode_rows([_NO_IDS if record.logits is None else record.logits.promoted_ids for record in batch])
    rows = []
    for record, line, effects, packed in zip(batch, lines, promoted, pack_many(batch), strict=True):
        key = {"run_id": run_id, "index": int(record.index)}
        narrow = {**key, **_listed(record, vocabulary), "promoted": effects, "sparkline": line}
        rows.append((narrow, {**key, "payload": packed}))
    return rows


def _listed(record: FeatureRecord, vocabulary: Vocabulary) -> dict[str, Any]:
    """What lists sort and filter by. What fires is above 0, so that lists of live features begin where the dead end."""
    least = LEAST_LIVE if record.tokens_fired else 0.0
    top = likeliest_token(record)
    return {
        "tokens_fired": int(record.tokens_fired),
        "peak": max(float(record.peak), least),
        "mean": max(float(record.activation_sum) / max(record.tokens_fired, 1), least),
        "top_token": _NO_TOKEN if top is None else top,
        "top_token_text": "" if top is None else searchable(vocabulary.text(top)),
    }


def likeliest_token(record: FeatureRecord) -> int | None:
    """The token on which most of the feature's firings are, or None where there are no statistics."""
    recall = record.tokens.recall
    return int(record.tokens.token_ids[np.argmax(recall)]) if len(recall) else None


def _find(session: Session, harvest_id: str, slug: str) -> tuple[int, int, Vocabulary]:
    query = (
        select(RunRow.id, DictionaryRow.d_sae, ModelRow.tokenizer_hash, VocabularyRow.payload)
        .join(HarvestRow, HarvestRow.id == RunRow.harvest_id)
        .join(DictionaryRow, DictionaryRow.id == RunRow.dictionary_id)
        .join(ModelRow, ModelRow.id == HarvestRow.model_id)
        .outerjoin(VocabularyRow, VocabularyRow.tokenizer_hash == ModelRow.tokenizer_hash)
        .where(HarvestRow.key == harvest_id, DictionaryRow.slug == slug)
    )
    row = session.execute(query).one_or_none()
    if row is None:
        raise BadRecord(f"Harvest {harvest_id!r} has no dictionary {slug!r}. Add the harvest with it first.")
    if row.payload is None:
        raise BadRecord(f"The vocabulary of tokenizer {row.tokenizer_hash!r} is not stored. Add it first.")
    return row.id, row.d_sae, Vocabulary.from_bytes(row.tokenizer_hash, row.payload)
