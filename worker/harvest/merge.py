"""From what all shards of a harvest gave to one result a dictionary."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64

from worker.harvest.bands import band_samples, context_columns
from worker.harvest.batch import Contexts
from worker.harvest.context_tokens import ContextTokens
from worker.harvest.controls import RELATED_FIRES, Pool, choose_controls
from worker.harvest.counts import FeatureCounts
from worker.harvest.fold import Folded, Progress, fold_shards
from worker.harvest.plan import HarvestPlan
from worker.harvest.reducers import Reducers
from worker.harvest.result import (
    CoactivationColumns,
    ControlColumns,
    CorpusColumns,
    HarvestResult,
    ReserveColumns,
    SummaryCounts,
)
from worker.harvest.subset import Numbers, numbers_of
from worker.harvest.threads import Threads
from worker.harvest.tokens import ExactCounts, token_statistics

DENSE = 0.1
N_RELATED = 10
_DENSITY_STEP = 0.25
_LEAST_DENSITY = -10.0


def merge_shards(
    plan: HarvestPlan,
    folder: Path,
    *,
    contexts: Contexts,
    neighbours: Sequence[Int64[np.ndarray, "d_sae nearest"]] | None = None,
    on_progress: Progress | None = None,
) -> list[HarvestResult]:
    """One result a dictionary, in the order in which they were harvested.

    neighbours: nearest features by decoder cosine of each dictionary, for near misses among controls.
    on_progress: called after each shard with shards folded and in all.
    Raises HarvestError where a shard is missing, damaged or of another plan.
    """
    folded = fold_shards(plan, folder, contexts=contexts, on_progress=on_progress)
    return results_of(plan, folded, contexts=contexts, neighbours=neighbours)


def results_of(
    plan: HarvestPlan,
    folded: Folded,
    *,
    contexts: Contexts,
    neighbours: Sequence[Int64[np.ndarray, "d_sae nearest"]] | None = None,
) -> list[HarvestResult]:
    """One result a dictionary, from what all shards gave. neighbours: by their numbers in the dictionary."""
    tokens, seen = ContextTokens(contexts), folded.corpus.result()
    near = neighbours or [np.empty((0, 0), np.int64)] * len(folded.reducers)
    with Threads(torch.get_num_threads()) as threads:
        finish = _Finish(plan, seen, tokens, folded.pool_ids, threads)
        return [finish.result(reducers, nearest) for reducers, nearest in zip(folded.reducers, near, strict=True)]


class _Finish:
    """From merged reducers to a result."""

    def __init__(
        self,
        plan: HarvestPlan,
        corpus: CorpusColumns,
        tokens: ContextTokens,
        pool: Int64[np.ndarray, " pool"],
        threads: Threads,
    ) -> None:
        self._plan, self._corpus, self._tokens = plan, corpus, tokens
        self._pool, self._threads = pool, threads

    def result(self, reducers: Reducers, nearest: Int64[np.ndarray, "_ nearest"]) -> HarvestResult:
        """Everything of one dictionary."""
        counts = reducers.counts.result()
        d_sae = len(counts.peak)
        numbers = numbers_of(self._plan.options.features, d_sae)
        top, sample = reducers.top.result(), reducers.sample.result()
        banded = band_samples(sample, top, counts.contexts_fired, self._threads)
        coactivation = reducers.coactivation.result(self._threads)
        statistics = {
            name: token_statistics(sample, self._exact(counts, by_id), self._tokens, shift=shift, threads=self._threads)
            for name, shift, by_id in (
                ("tokens", 0, self._corpus.token_counts),
                ("previous_tokens", -1, self._corpus.previous_counts),
                ("next_tokens", 1, self._corpus.next_counts),
            )
        }
        table, rows = self._tokens.rows(self._pool)
        shown, reserved = choose_controls(
            Pool(self._pool, table[rows], reducers.pool.result()),
            statistics["tokens"][1],
            _related(_places(nearest, numbers), coactivation, d_sae),
            seed=self._plan.options.seed,
            features=numbers,
            threads=self._threads,
        )
        offsets, bins, filled = reducers.histogram.result()
        fired, sums = reducers.position.result()
        return HarvestResult(
            d_sae=d_sae,
            features=numbers,
            corpus=self._corpus,
            summary=summarise(counts.tokens_fired, self._corpus.tokens),
            tokens_fired=counts.tokens_fired,
            contexts_fired=counts.contexts_fired,
            documents_fired=counts.documents_fired,
            activation_sum=counts.activation_sum,
            activation_sum_squares=counts.activation_sum_squares,
            peak=counts.peak,
            histogram_offsets=offsets,
            histogram_bins=bins,
            histogram_counts=filled,
            top=context_columns(top),
            bands=banded.bands,
            controls=_numbered(shown, numbers),
            reserve=ReserveColumns(banded.reserve, banded.reserve_band, _numbered(reserved, numbers)),
            position_fired=fired,
            position_sum=sums,
            coactivation=replace(coactivation, indices=numbers[coactivation.indices]),
            **{name: columns for name, (columns, _) in statistics.items()},
        )

    def _exact(self, counts: FeatureCounts, by_id: Int64[np.ndarray, " d_vocab"]) -> ExactCounts:
        return ExactCounts(counts.tokens_fired, counts.contexts_fired, self._corpus.tokens, by_id)


def summarise(tokens_fired: Int64[np.ndarray, " d_sae"], tokens: int) -> SummaryCounts:
    """A dictionary in counts; density is over the tokens reduced."""
    density = tokens_fired / max(tokens, 1)
    edges = np.arange(_LEAST_DENSITY, _DENSITY_STEP, _DENSITY_STEP)
    live = np.log10(density[density > 0])
    # A density of exactly 1 belongs to the last slice.
    places = np.clip(np.searchsorted(edges, live, side="right") - 1, 0, len(edges) - 2)
    return SummaryCounts(
        n_features=len(density),
        n_dead=int(np.count_nonzero(tokens_fired == 0)),
        n_dense=int(np.count_nonzero(density > DENSE)),
        l0=float(density.sum()),
        density_edges=tuple(float(edge) for edge in edges),
        density_counts=tuple(int(n) for n in np.bincount(places, minlength=len(edges) - 1)),
    )


def _places(nearest: Int64[np.ndarray, "_ nearest"], numbers: Numbers) -> Int64[np.ndarray, "_ nearest"]:
    """Places of features by their numbers; -1 for those that were not reduced."""
    places = np.minimum(np.searchsorted(numbers, nearest), len(numbers) - 1)
    return np.where(numbers[places] == nearest, places, -1)


def _numbered(controls: ControlColumns, numbers: Numbers) -> ControlColumns:
    """Controls whose related features go by their numbers instead of their places."""
    is_feature = controls.reason == RELATED_FIRES
    return replace(controls, related=np.where(is_feature, numbers[controls.related * is_feature], controls.related))


def _related(
    nearest: Int64[np.ndarray, "_ nearest"], coactivation: CoactivationColumns, d_sae: int
) -> Int64[np.ndarray, "d_sae related"]:
    """Nearest features, then co-active ones, up to ten of each; -1 where there are fewer."""
    related = np.full((d_sae, 2 * N_RELATED), -1, np.int64)
    if len(nearest) == d_sae:
        related[:, : min(N_RELATED, nearest.shape[1])] = nearest[:, :N_RELATED]
    counts = np.diff(coactivation.offsets)
    features = np.repeat(np.arange(d_sae), counts)
    ranks = np.arange(len(features)) - np.repeat(coactivation.offsets[:-1], counts)
    kept = ranks < N_RELATED
    related[features[kept], N_RELATED + ranks[kept]] = coactivation.indices[kept]
    return related
