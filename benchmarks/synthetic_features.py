"""Feature records as a harvest would find them, drawn from distributions instead of a model.

Densities are log-normal and add up to L0. Activations are log-normal. A feature fires in bursts: its firings in a
context are negative binomial. The contexts shown are drawn as the harvest draws them: the greatest peaks of all, and
fifths of a sample of 128 firing contexts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from catalog.grid import bin_edges
from catalog.records import (
    Bands,
    Coactivation,
    ContextBatch,
    ContextSet,
    Controls,
    FeatureRecord,
    LogitEffects,
    Reserve,
    TokenStatistics,
)

DENSITY_SIGMA = 1.5
ACTIVATION_SIGMA = 0.7
BURST_SHAPE = 0.5
LEAST_DENSITY = 1e-12
N_TOP, N_SAMPLE, N_LISTED, N_EFFECTS, LOGIT_BINS = 20, 128, 10, 10, 40
N_BANDS, SHOWN_A_BAND, RESERVED_A_BAND = 5, 5, 2
COACTIVATION_TOKENS = 262_144
TOKENS_A_DOCUMENT = 1_000
SHARE_SPACED, SHARE_SIGNS, SIGNS = 0.6, 0.05, b"\n<>&\"'(){}.,;:=_"
_LEAST_TOKEN = 1
_NORMAL = NormalDist()
_EDGE_SHARES = np.array([_NORMAL.cdf(np.log(edge) / ACTIVATION_SIGMA) for edge in bin_edges().tolist()])


@dataclass(frozen=True, slots=True)
class SyntheticHarvest:
    """Sizes of a harvest, and everything it would hand to the catalog."""

    d_sae: int
    tokens: int
    l0: float
    n_ctx: int
    d_vocab: int
    seed: int = 0

    @property
    def n_contexts(self) -> int:
        """Contexts of n_ctx tokens, the first of them BOS."""
        return -(-self.tokens // (self.n_ctx - 1))

    @property
    def contexts_a_document(self) -> int:
        """Contexts that a document is cut into."""
        return max(1, TOKENS_A_DOCUMENT // self.n_ctx)

    @property
    def n_documents(self) -> int:
        """Documents of the corpus."""
        return -(-self.n_contexts // self.contexts_a_document)

    def vocabulary(self) -> list[bytes]:
        """Tokens of one to eight letters, most of them behind a space and a few of signs, after a BOS."""
        rng = np.random.default_rng(self.seed)
        letters = rng.integers(97, 123, (self.d_vocab - 1, 8), dtype=np.uint8)
        lengths = rng.integers(1, 9, self.d_vocab - 1)
        letters[rng.random(self.d_vocab - 1) < SHARE_SPACED, 0] = ord(" ")
        signs = np.flatnonzero(rng.random(self.d_vocab - 1) < SHARE_SIGNS)
        letters[signs, 0] = rng.choice(np.frombuffer(SIGNS, dtype=np.uint8), len(signs))
        lengths[signs] = 1
        return [b"<bos>", *(row[:length].tobytes() for row, length in zip(letters, lengths.tolist(), strict=True))]

    def context_batches(self, size: int = 4_096) -> Iterator[ContextBatch]:
        """All contexts, with tokens of Zipf frequencies and no repetition, which deflate less well than text."""
        rng = np.random.default_rng(self.seed + 1)
        shares = np.cumsum(1 / np.arange(1, self.d_vocab))
        names = rng.permutation(np.arange(1, self.d_vocab))
        for start in range(0, self.n_contexts, size):
            ids = np.arange(start, min(start + size, self.n_contexts))
            ranks = np.searchsorted(shares, rng.uniform(0, shares[-1], (len(ids), self.n_ctx)))
            token_ids = names[ranks]
            token_ids[:, 0] = 0
            documents, places = np.divmod(ids, self.contexts_a_document)
            yield ContextBatch(ids, documents, places * (self.n_ctx - 1), np.full(len(ids), self.n_ctx), token_ids)

    def densities(self) -> NDArray[np.float64]:
        """Share of tokens on which each feature fires; they add up to L0."""
        drawn = np.random.default_rng(self.seed + 2).lognormal(0, DENSITY_SIGMA, self.d_sae)
        return np.minimum(drawn * self.l0 / drawn.sum(), 0.5)

    def features(self) -> Iterator[FeatureRecord]:
        """Every feature in turn."""
        for index, density in enumerate(self.densities().tolist()):
            yield self.feature(index, density)

    def feature(self, index: int, density: float) -> FeatureRecord:
        """One feature that fires on so large a share of tokens, drawn by the seed and its index."""
        return _Feature(self, index, density).record()


class _Feature:
    """One feature being drawn."""

    def __init__(self, harvest: SyntheticHarvest, index: int, density: float) -> None:
        self.harvest, self.index, self.density = harvest, index, density
        self.rng = np.random.default_rng((harvest.seed, index))
        self.fired = int(self.rng.poisson(density * harvest.tokens))
        self.n_text = harvest.n_ctx - 1
        self.sizes, self.is_silent = self._burst_sizes()
        self.contexts_fired = min(self.fired, int(self.rng.binomial(harvest.n_contexts, 1 - self.is_silent)))
        highest = self.rng.uniform() ** (1 / max(self.fired, 1))
        self.peak = float(np.float32(np.exp(ACTIVATION_SIGMA * _NORMAL.inv_cdf(min(highest, 1 - 1e-12)))))

    def record(self) -> FeatureRecord:
        bins, counts = self._histogram()
        mean = float(np.exp(ACTIVATION_SIGMA**2 / 2))
        bands, reserve = self._bands()
        n = N_LISTED if self.fired >= 50 else min(N_LISTED, self.fired // 5)
        buckets = np.full(self.n_text, 1 / self.n_text)
        by_position = np.concatenate([[0], self.rng.multinomial(self.fired, buckets)])
        return FeatureRecord(
            index=self.index,
            tokens_fired=self.fired,
            contexts_fired=self.contexts_fired,
            documents_fired=min(self.contexts_fired, self.harvest.n_documents),
            activation_sum=self.fired * mean,
            activation_sum_squares=self.fired * mean**2 * 1.6,
            peak=self.peak if self.fired else 0.0,
            histogram_bins=bins,
            histogram_counts=counts,
            top=self._top(),
            bands=bands,
            controls=self._controls(5),
            reserve=reserve,
            tokens=self._statistics(n),
            previous_tokens=self._statistics(n),
            next_tokens=self._statistics(n),
            position_fired=by_position,
            position_sum=(by_position * mean * self.rng.uniform(0.7, 1.3, len(by_position))).astype(np.float32),
            logits=self._logits(),
            neighbour_indices=self.rng.integers(0, self.harvest.d_sae, N_EFFECTS),
            neighbour_cosines=-np.sort(-self.rng.uniform(0.1, 0.6, N_EFFECTS)).astype(np.float32),
            coactivation=self._coactivation(),
            encoder_decoder_cosine=float(np.float32(self.rng.uniform(0.4, 0.9))),
            decoder_norm=1.0,
        )

    def _burst_sizes(self) -> tuple[NDArray[np.float64], float]:
        """Distribution of the number of firings in a firing context, 1 to n_text, and the share of silent ones."""
        mean = self.n_text * max(self.density, LEAST_DENSITY)
        k = np.arange(self.n_text)
        ratio = (k + BURST_SHAPE) / (k + 1) * mean / (mean + BURST_SHAPE)
        is_silent = (BURST_SHAPE / (BURST_SHAPE + mean)) ** BURST_SHAPE
        shares = is_silent * np.cumprod(ratio)
        return shares / shares.sum(), is_silent

    def _histogram(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        shares = np.diff(_EDGE_SHARES)
        counts = self.rng.multinomial(self.fired, shares / shares.sum())
        filled = np.flatnonzero(counts)
        return filled, counts[filled]

    def _contexts(self, peaks: NDArray[np.float32]) -> ContextSet:
        """Firing contexts with those peaks: burst sizes and positions drawn, other activations below the peak."""
        n = len(peaks)
        sizes = self.rng.choice(self.n_text, n, p=self.sizes) + 1
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        order = np.argsort(self.rng.random((n, self.n_text)), axis=1) + 1
        positions = [np.sort(row[:size]) for row, size in zip(order, sizes.tolist(), strict=True)]
        drawn = np.exp(ACTIVATION_SIGMA * self.rng.standard_normal(offsets[-1])).astype(np.float32)
        activations = np.minimum(drawn, np.repeat(peaks, sizes))
        if n:
            activations[offsets[:-1] + self.rng.integers(0, sizes)] = peaks
        ids = self.rng.choice(self.harvest.n_contexts, n, replace=False)
        return ContextSet(ids, peaks, offsets, np.concatenate([np.zeros(0, np.int64), *positions]), activations)

    def _peaks(self, n: int) -> NDArray[np.float32]:
        drawn = np.exp(ACTIVATION_SIGMA * self.rng.standard_normal(n)).astype(np.float32)
        return -np.sort(-np.minimum(drawn, np.float32(self.peak)))

    def _top(self) -> ContextSet:
        n = min(N_TOP, self.contexts_fired)
        below = np.cumprod(self.rng.uniform(size=n) ** (1 / np.maximum(self.fired - np.arange(n), 1)))
        quantiles = np.clip(below, 1e-9, 1 - 1e-12).tolist()
        peaks = np.exp(ACTIVATION_SIGMA * np.array([_NORMAL.inv_cdf(q) for q in quantiles]))
        return self._contexts(np.minimum(peaks, self.peak).astype(np.float32))

    def _bands(self) -> tuple[Bands, Reserve]:
        n = min(N_SAMPLE, self.contexts_fired)
        peaks = self._peaks(n)
        band = np.arange(n) * N_BANDS // max(n, 1)
        place = np.arange(n) - np.searchsorted(band, band)
        shown = np.flatnonzero(place < SHOWN_A_BAND)
        kept = np.flatnonzero((place >= SHOWN_A_BAND) & (place < SHOWN_A_BAND + RESERVED_A_BAND))
        low, high = np.zeros(N_BANDS, np.float32), np.zeros(N_BANDS, np.float32)
        for fifth in np.unique(band):
            low[fifth], high[fifth] = peaks[band == fifth].min(), peaks[band == fifth].max()
        shares = self.rng.dirichlet(np.ones(N_BANDS), 2).astype(np.float32)
        bands = Bands(
            low=low,
            high=high,
            share_of_firings=shares[0],
            share_of_activation=shares[1],
            band=band[shown].astype(np.uint8),
            contexts=self._contexts(peaks[shown]),
            sample_size=n,
            sample_of=self.contexts_fired,
        )
        return bands, Reserve(self._contexts(peaks[kept]), band[kept].astype(np.uint8), self._controls(10))

    def _controls(self, n: int) -> Controls:
        reason = self.rng.integers(0, 3, n).astype(np.uint8)
        related = np.where(reason == 0, -1, self.rng.integers(0, self.harvest.d_sae, n))
        return Controls(self.rng.choice(self.harvest.n_contexts, n, replace=False), reason, related)

    def _statistics(self, n: int) -> TokenStatistics:
        recall = -np.sort(-self.rng.dirichlet(np.ones(n + 1))[:n])
        values = (recall, self.rng.uniform(0, 1, n), 1 / max(self.density, 1e-9) * recall, recall, recall / 2, recall)
        ids = self.rng.integers(_LEAST_TOKEN, self.harvest.d_vocab, n)
        return TokenStatistics(ids, *(value.astype(np.float32) for value in values))

    def _logits(self) -> LogitEffects:
        effects = -np.sort(-self.rng.uniform(0.5, 2, (2, N_EFFECTS))).astype(np.float32)
        ids = self.rng.integers(0, self.harvest.d_vocab, (2, N_EFFECTS))
        heights = np.exp(-(np.linspace(-4, 4, LOGIT_BINS) ** 2) / 2)
        counts = self.rng.multinomial(self.harvest.d_vocab, heights / heights.sum())
        return LogitEffects(ids[0], effects[0], ids[1], -effects[1], -2.0, 2.0, counts)

    def _coactivation(self) -> Coactivation:
        n = N_EFFECTS if self.density * COACTIVATION_TOKENS > 40 else 0
        shares = -np.sort(-self.rng.uniform(0.01, 0.5, (3, n))).astype(np.float32)
        return Coactivation(
            indices=self.rng.integers(0, self.harvest.d_sae, n),
            jaccard=shares[0],
            other_given_this=shares[1],
            this_given_other=shares[2],
            joint=self.rng.integers(10, 400, n),
            sample_tokens=COACTIVATION_TOKENS,
        )
