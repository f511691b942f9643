"""A million features in minutes: few are drawn and packed, and each of those is cast into many that differ.

What is cast keeps the shape of what was drawn: which contexts, where in them it fires, at which share of the peak. Its
index, its firings, its activations (by whole bins of the histogram) and its tokens are its own, and page, list and
histogram agree on them. They are changed in the packed row, for whole arrays of features at once.
"""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic_features import SyntheticHarvest
from catalog import packing_layout as layout
from catalog.grid import BINS_PER_DOUBLING
from catalog.packing import deflated, inflated
from catalog.records import FeatureRecord
from catalog.schema import FeatureRow
from catalog.tokens import Vocabulary, searchable
from catalog.varints import decode_varints, encode_varints, varint_sizes
from catalog.writer.features import feature_rows

CHUNK = 8_192
VARIED = 128
"""How many features are cast from one that is drawn."""
SHARE_DEAD = 0.02
MOST_STEPS = 12
"""The most bins by which activations are scaled up or down."""
MORE_FIRINGS = 16
"""Up to a sixteenth more firings than the drawn feature has."""
LISTED = [column.name for column in FeatureRow.__table__.columns]
Rows = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]
"""Rows of the lists' table, in the order of LISTED, and of the pages': run, index and packed feature."""


@dataclass(frozen=True, slots=True)
class Million:
    """All features of a dictionary, in chunks that depend on nothing but their number."""

    harvest: SyntheticHarvest

    def densities(self) -> NDArray[np.float64]:
        """Share of tokens on which each feature fires, more or less; 0 where it is dead."""
        densities = self.harvest.densities()
        densities[np.random.default_rng(self.harvest.seed + 3).random(len(densities)) < SHARE_DEAD] = 0.0
        return densities

    def rows(self, run_id: int) -> Iterator[Rows]:
        """What the catalog stores of each, a chunk at a time in order of index, made on all cores."""
        densities = self.densities()
        workers = os.cpu_count() or 1
        waiting: deque[Future[Rows]] = deque()
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            for start in range(0, len(densities), CHUNK):
                part = densities[start : start + CHUNK]
                waiting.append(pool.submit(chunk_rows, self.harvest, start, part, run_id=run_id))
                if len(waiting) > workers + 1:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


def chunk_rows(harvest: SyntheticHarvest, start: int, densities: NDArray[np.float64], *, run_id: int) -> Rows:
    """Features from `start` on, one for each density, each cast from a drawn one of about that density."""
    vocabulary = Vocabulary.of("benchmark", harvest.vocabulary(), frozenset({0}))
    order = np.argsort(densities, kind="stable")
    n_dead = int((densities == 0).sum())
    groups = [order[:n_dead], *np.split(order[n_dead:], range(VARIED, len(order) - n_dead, VARIED))]
    rng = np.random.default_rng((harvest.seed, start, VARIED))
    narrow: list[tuple[Any, ...]] = []
    pages: list[tuple[Any, ...]] = []
    for group in groups:
        if len(group):
            middle = int(group[len(group) // 2])
            drawn = harvest.feature(start + middle, float(densities[middle]))
            mould = _Mould(drawn, vocabulary, run_id=run_id)
            cast = mould.cast(np.sort(group) + start, rng)
            narrow += cast[0]
            pages += cast[1]
    return sorted(narrow, key=lambda row: row[1]), sorted(pages, key=lambda row: row[1])


class _Mould:
    """A drawn feature as it is packed: its whole numbers, its fractions, its float32 and its float64."""

    def __init__(self, drawn: FeatureRecord, vocabulary: Vocabulary, *, run_id: int) -> None:
        [(self._narrow, page)] = feature_rows([drawn], run_id=run_id, vocabulary=vocabulary)
        self._fired, self._vocabulary = drawn.tokens_fired, vocabulary
        n_numbers, body = inflated(page["payload"])
        self._numbers = decode_varints(body[:n_numbers])
        sizes = dict(zip(layout.HEAD, self._numbers.tolist(), strict=False))
        self._places = _places(sizes)
        n_halves = sum(sizes[field.group] for field in layout.HALVES)
        self._halves = body[n_numbers : n_numbers + 2 * n_halves]
        self._singles = np.frombuffer(body[n_numbers + 2 * n_halves : -16], dtype="<f4")
        self._doubles = np.frombuffer(body[-16:], dtype="<f8")

    def cast(self, indices: NDArray[np.int64], rng: np.random.Generator) -> Rows:
        """Features of those indices: those that fire differ in firings, activations and tokens."""
        n = len(indices)
        more, steps, shift = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
        if self._fired:
            more = rng.integers(0, self._fired // MORE_FIRINGS + 1, n)
            steps = rng.integers(-MOST_STEPS, MOST_STEPS + 1, n)
            shift = np.exp(rng.uniform(size=n) * np.log(len(self._vocabulary) - 1)).astype(np.int64)
        factor = (2.0 ** (steps / BINS_PER_DOUBLING)).astype(np.float32)
        numbers = self._numbers_of(indices, more, steps, shift)
        singles = np.tile(self._singles, (n, 1))
        singles[:, 0] *= factor
        singles[:, layout.N_SCALARS :] *= factor[:, None]
        growth = 1 + more / max(self._fired, 1)
        doubles = self._doubles * np.column_stack([growth * factor, growth * factor.astype(np.float64) ** 2])
        payloads = [
            deflated(len(number), b"".join((number, self._halves, single.tobytes(), double.tobytes())))
            for number, single, double in zip(_encoded(numbers), singles, doubles, strict=True)
        ]
        run_id = self._narrow["run_id"]
        pages = [(run_id, index, payload) for index, payload in zip(indices.tolist(), payloads, strict=True)]
        return self._listed(numbers, singles[:, 0], doubles[:, 0]), pages

    def _numbers_of(
        self, indices: NDArray[np.int64], more: NDArray[np.int64], steps: NDArray[np.int64], shift: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        numbers = np.tile(self._numbers, (len(indices), 1))
        numbers[:, layout.HEAD.index("index")] = indices
        if not self._fired:
            return numbers
        numbers[:, layout.HEAD.index("tokens_fired")] += more
        first_bin = self._places["histogram_bins"].start
        numbers[:, first_bin] = np.maximum(numbers[:, first_bin] + steps, 0)
        numbers[:, self._places["histogram_counts"].start] += more
        # Position 0 is that of BOS, where nothing fires.
        numbers[:, self._places["position_fired"].start + 1] += more
        for name in ("tokens.token_ids", "previous_tokens.token_ids", "next_tokens.token_ids"):
            ids = numbers[:, self._places[name]]
            numbers[:, self._places[name]] = (ids + shift[:, None]) % (len(self._vocabulary) - 1) + 1
        return numbers

    def _listed(
        self, numbers: NDArray[np.int64], peaks: NDArray[np.float32], sums: NDArray[np.float64]
    ) -> list[tuple[Any, ...]]:
        place = self._narrow["top_token"]
        fired = numbers[:, layout.HEAD.index("tokens_fired")]
        columns = {name: [value] * len(numbers) for name, value in self._narrow.items()}
        columns |= {
            "index": numbers[:, 0].tolist(),
            "tokens_fired": fired.tolist(),
            "peak": peaks.astype(np.float64).tolist(),
            "mean": (sums / np.maximum(fired, 1)).tolist(),
        }
        ids = self._places["tokens.token_ids"]
        if place >= 0 and ids.stop > ids.start:
            tokens = numbers[:, ids.start].tolist()
            texts = [searchable(self._vocabulary.text(token)) for token in tokens]
            columns |= {"top_token": tokens, "top_token_text": texts}
        return list(zip(*(columns[name] for name in LISTED), strict=True))


def _places(sizes: dict[str, int]) -> dict[str, slice]:
    """Where the values of each field are among the whole numbers."""
    ends = list(accumulate((sizes[field.group] for field in layout.NUMBERS), initial=len(layout.HEAD)))
    return {field.name: slice(*ends[at : at + 2]) for at, field in enumerate(layout.NUMBERS)}


def _encoded(numbers: NDArray[np.int64]) -> list[bytes]:
    """The varints of each row."""
    whole = encode_varints(numbers.ravel())
    ends = np.cumsum(varint_sizes(numbers.ravel()))[numbers.shape[1] - 1 :: numbers.shape[1]].tolist()
    return [whole[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
