"""A small harvest worked out by brute force: every feature has a rule, every number is counted from it.

Nothing here calls the worker; what a page shows of these records can be checked by arithmetic.
"""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from catalog.grid import bin_of
from catalog.records import (
    Bands,
    Coactivation,
    ContextRecord,
    ContextSet,
    Controls,
    DictionaryRecord,
    DictionarySummary,
    FeatureRecord,
    HarvestRecord,
    LogitEffects,
    ModelRecord,
    Reserve,
    TokenStatistics,
)
from tests.app.synthetic_text import N_CTX, SENTENCES, SyntheticTokenizer, contexts, documents

D_SAE = 40
DEAD = (7, 23, 39)
ALWAYS = 5
MOMENT = "2026-01-05T10:20:30.123456+00:00"
Rule = Callable[[list[bytes], int], float]


@dataclass(frozen=True, slots=True)
class SyntheticHarvest:
    """Everything the catalog would hold of one harvest. activations: (context, token, feature), zero = silent."""

    model: ModelRecord
    dictionary: DictionaryRecord
    harvest: HarvestRecord
    summary: DictionarySummary
    tokenizer: SyntheticTokenizer
    contexts: list[ContextRecord]
    activations: NDArray[np.float32]
    features: list[FeatureRecord]


def synthetic_harvest(*, slug: str = "tiny-mid", n_documents: int = 90, seed: int = 0) -> SyntheticHarvest:
    """Build the corpus, fire every rule on every token, and count."""
    tokenizer = SyntheticTokenizer(SENTENCES)
    cut = contexts(tokenizer, documents(n_documents, seed=seed))
    activations = _activations(tokenizer, cut, seed)
    counter = _Counter(tokenizer, cut, activations, seed)
    features = [counter.feature(index) for index in range(D_SAE)]
    harvest = _harvest_record(slug, cut, counter.n_tokens)
    harvest = replace(harvest, provenance={**harvest.provenance, "position_tokens": position_tokens(cut)})
    summary = _summary(features, counter.n_tokens)
    dictionary = _dictionary_record(slug, harvest, summary)
    return SyntheticHarvest(
        _model_record(tokenizer), dictionary, harvest, summary, tokenizer, cut, activations, features
    )


def position_tokens(cut: list[ContextRecord]) -> list[int]:
    """How many tokens stand at each position, BOS apart."""
    return [0, *(sum(len(context.token_ids) > at for context in cut) for at in range(1, N_CTX))]


def _rules() -> list[Rule]:
    """What each feature fires on: a token, a kind of token, a place after a token, a place in the context."""
    words = [b" the", b" river", b"import", b"def", b" and", b" in", b" bank", b" counts", b" May", b" bread"]
    rules: list[Rule] = [lambda raw, at, word=word: 3.0 if raw[at] == word else 0.0 for word in words]
    rules[ALWAYS] = lambda raw, at: 0.4 + len(raw[at]) / 10
    rules += [
        lambda raw, at: 2.0 if raw[at].strip().isdigit() else 0.0,
        lambda raw, at: 1.5 if raw[at].isspace() and b"\n" in raw[at] else 0.0,
        lambda raw, at: 5.0 if raw[at][0] >= 0xF0 else 0.0,
        lambda raw, at: 2.5 if b"<" in raw[at] or b"script" in raw[at] else 0.0,
        lambda raw, at: 4.0 if at > 1 and raw[at - 1] == b"def" else 0.0,
        lambda raw, at: 2.0 if at < 5 else 0.0,
        lambda raw, at: 3.5 if at > 2 and b" river" in raw[at - 2 : at] else 0.0,
        lambda raw, at: 1.0 if raw[at][0] >= 0xC0 else 0.0,
        lambda raw, at: 6.0 if raw[at] in (b" bank", b" bread") else 0.0,
        lambda raw, at: 2.0 if raw[at].strip().istitle() else 0.0,
    ]
    endings = [b"ing", b"ed", b"er", b"s", b"e", b"t", b"y", b"n", b":", b".", b"(", b")", b"d", b"h", b"k", b"l"]
    rules += [lambda raw, at, end=end: 1.2 if raw[at].endswith(end) else 0.0 for end in endings]
    rules += [lambda raw, at, size=size: 1.0 if len(raw[at]) == size else 0.0 for size in range(5, 5 + D_SAE)]
    return rules[:D_SAE]


def _activations(tokenizer: SyntheticTokenizer, cut: list[ContextRecord], seed: int) -> NDArray[np.float32]:
    draw = np.random.default_rng(seed)
    values = np.zeros((len(cut), N_CTX, D_SAE), dtype=np.float32)
    rules = _rules()
    for row, context in enumerate(cut):
        raw = [tokenizer.token_bytes[i] for i in context.token_ids.tolist()]
        for at in range(1, len(raw)):
            values[row, at] = [rule(raw, at) for rule in rules]
    values[:, :, list(DEAD)] = 0
    return values * draw.lognormal(0.0, 0.35, values.shape).astype(np.float32)


class _Counter:
    """Counts everything of one feature at a time, the slow and obvious way."""

    def __init__(
        self, tokenizer: SyntheticTokenizer, cut: list[ContextRecord], activations: NDArray[np.float32], seed: int
    ) -> None:
        self.tokenizer, self.cut, self.activations, self.seed = tokenizer, cut, activations, seed
        self.n_tokens = sum(len(context.token_ids) - 1 for context in cut)
        self.token_counts = Counter(i for context in cut for i in context.token_ids[1:].tolist())

    def feature(self, index: int) -> FeatureRecord:
        """The record of one feature."""
        acts = self.activations[:, :, index]
        firing = acts[acts > 0]
        peaks = acts.max(axis=1)
        rows = np.flatnonzero(peaks > 0)
        bins, counts = np.unique(bin_of(firing), return_counts=True) if len(firing) else (np.zeros(0, int),) * 2
        sampled = np.array(sorted(rows, key=lambda row: self._hash(index, row))[:128], dtype=np.int64)
        reserved, shown = sampled[:10], sampled[10:] if len(sampled) > 40 else sampled
        silent = sorted(np.flatnonzero(peaks == 0), key=lambda row: self._hash(-index, row))
        position_of = (acts > 0).sum(axis=0)
        return FeatureRecord(
            index=index,
            tokens_fired=len(firing),
            contexts_fired=len(rows),
            documents_fired=len({self.cut[row].document_id for row in rows}),
            activation_sum=float(firing.sum(dtype=np.float64)),
            activation_sum_squares=float((firing.astype(np.float64) ** 2).sum()),
            peak=float(peaks.max()),
            histogram_bins=bins.astype(np.int64),
            histogram_counts=counts.astype(np.int64),
            top=self._set(index, self._top(peaks)),
            bands=self._bands(index, shown, len(rows)),
            controls=self._controls(index, silent[:5], acts),
            reserve=self._reserve(index, reserved if len(sampled) > 40 else sampled[:0], silent[5:15]),
            tokens=self._statistics(acts, 0),
            previous_tokens=self._statistics(acts, -1),
            next_tokens=self._statistics(acts, 1),
            position_fired=position_of.astype(np.int64),
            position_sum=acts.sum(axis=0).astype(np.float32),
            logits=self._logits(index),
            neighbour_indices=np.array([(index + step) % D_SAE for step in (1, 2, 3, 5, 8)], dtype=np.int64),
            neighbour_cosines=np.array([0.71, 0.52, 0.33, 0.21, -0.04], dtype=np.float32),
            coactivation=self._coactivation(index),
            encoder_decoder_cosine=0.83,
            decoder_norm=1.0,
        )

    def _hash(self, index: int, row: int | np.integer) -> bytes:
        return hashlib.sha256(f"{self.seed}:{index}:{row}".encode()).digest()

    def _top(self, peaks: NDArray[np.float32]) -> NDArray[np.int64]:
        order = sorted(np.flatnonzero(peaks > 0), key=lambda row: (-peaks[row], row))
        seen: set[int] = set()
        chosen = []
        for row in order:
            if self.cut[row].document_id not in seen:
                seen.add(self.cut[row].document_id)
                chosen.append(row)
        return np.array(chosen[:20], dtype=np.int64)

    def _set(self, index: int, rows: NDArray[np.int64]) -> ContextSet:
        acts = self.activations[rows, :, index] if len(rows) else np.zeros((0, N_CTX), np.float32)
        places = [np.flatnonzero(row) for row in acts]
        offsets = np.concatenate([[0], np.cumsum([len(place) for place in places])]).astype(np.int64)
        positions = np.concatenate([*places, np.zeros(0, np.int64)]).astype(np.int64)
        values = np.concatenate([*(row[place] for row, place in zip(acts, places, strict=True)), np.zeros(0)])
        peaks = acts.max(axis=1, initial=0.0).astype(np.float32)
        return ContextSet(np.asarray(rows, np.int64), peaks, offsets, positions, values.astype(np.float32))

    def _bands(self, index: int, rows: NDArray[np.int64], n_firing: int) -> Bands:
        acts = self.activations[:, :, index]
        ranked = np.array(sorted(rows, key=lambda row: (-acts[row].max(), row)), dtype=np.int64)
        fifths = [fifth for fifth in np.array_split(ranked, 5) if len(fifth)]
        shown = [fifth[:5] for fifth in fifths]
        firings = np.array([(acts[fifth] > 0).sum() for fifth in fifths], dtype=np.float64)
        sums = np.array([acts[fifth].sum() for fifth in fifths], dtype=np.float64)
        flat = np.concatenate([*shown, np.zeros(0, np.int64)]).astype(np.int64)
        return Bands(
            low=np.array([acts[fifth].max(axis=1).min() for fifth in fifths], dtype=np.float32),
            high=np.array([acts[fifth].max(axis=1).max() for fifth in fifths], dtype=np.float32),
            share_of_firings=(firings / max(1.0, firings.sum())).astype(np.float32),
            share_of_activation=(sums / max(1e-9, sums.sum())).astype(np.float32),
            band=np.repeat(np.arange(len(fifths)), [len(rows) for rows in shown]).astype(np.uint8),
            contexts=self._set(index, flat),
            sample_size=len(rows),
            sample_of=n_firing,
        )

    def _controls(self, index: int, rows: list[np.int64], acts: NDArray[np.float32]) -> Controls:
        tokens = self._fired_tokens(acts, 0)
        common = [token for token, _ in tokens.most_common(3)]
        reasons, related = [], []
        for number, row in enumerate(rows):
            held = [token for token in common if token in self.cut[row].token_ids]
            reasons.append(1 if held else (2 if number == 1 else 0))
            related.append(held[0] if held else (ALWAYS if number == 1 else -1))
        return Controls(np.array(rows, np.int64), np.array(reasons, np.uint8), np.array(related, np.int64))

    def _reserve(self, index: int, rows: NDArray[np.int64], silent: list[np.int64]) -> Reserve:
        controls = Controls(np.array(silent, np.int64), np.zeros(len(silent), np.uint8), np.full(len(silent), -1))
        return Reserve(self._set(index, rows), (np.arange(len(rows)) // 2).astype(np.uint8), controls)

    def _fired_tokens(self, acts: NDArray[np.float32], shift: int) -> Counter[int]:
        fired: Counter[int] = Counter()
        for row, at in zip(*np.nonzero(acts), strict=True):
            ids = self.cut[row].token_ids
            if 1 <= at + shift < len(ids):
                fired[int(ids[at + shift])] += 1
        return fired

    def _statistics(self, acts: NDArray[np.float32], shift: int) -> TokenStatistics:
        fired = self._fired_tokens(acts, shift)
        total = max(1, sum(fired.values()))
        density = max(1, int((acts > 0).sum())) / self.n_tokens
        rows = []
        for token, times in fired.items():
            recall, precision = times / total, times / max(times, self.token_counts[token])
            rows.append((2 * recall * precision / (recall + precision), token, recall, precision))
        rows = [row for row in sorted(rows, reverse=True)[:12] if fired[row[1]] >= 5]
        recall = np.array([row[2] for row in rows], dtype=np.float32)
        spread = 1.96 * np.sqrt(recall * (1 - recall) / total)
        precision = np.array([row[3] for row in rows], dtype=np.float32)
        return TokenStatistics(
            token_ids=np.array([row[1] for row in rows], dtype=np.int64),
            recall=recall,
            precision=precision,
            lift=(precision / density).astype(np.float32),
            mass=recall,
            low=np.clip(recall - spread, 0, 1).astype(np.float32),
            high=np.clip(recall + spread, 0, 1).astype(np.float32),
        )

    def _logits(self, index: int) -> LogitEffects:
        draw = np.random.default_rng(1000 + index)
        effects = draw.normal(0, 0.2, len(self.tokenizer.token_bytes)).astype(np.float32)
        order = np.argsort(effects)
        counts, edges = np.histogram(effects, bins=48)
        return LogitEffects(
            promoted_ids=order[::-1][:10].astype(np.int64),
            promoted=effects[order[::-1][:10]],
            suppressed_ids=order[:10].astype(np.int64),
            suppressed=effects[order[:10]],
            low=float(edges[0]),
            high=float(edges[-1]),
            counts=counts.astype(np.int64),
        )

    def _coactivation(self, index: int) -> Coactivation:
        fires = self.activations > 0
        joint = (fires[:, :, index, None] & fires).sum(axis=(0, 1))
        mine, theirs = fires[:, :, index].sum(), fires.sum(axis=(0, 1))
        jaccard = joint / np.maximum(1, mine + theirs - joint)
        partners = [i for i in np.argsort(-jaccard) if i != index and joint[i] >= 10][:8]
        return Coactivation(
            indices=np.array(partners, np.int64),
            jaccard=jaccard[partners].astype(np.float32),
            other_given_this=(joint[partners] / max(1, mine)).astype(np.float32),
            this_given_other=(joint[partners] / np.maximum(1, theirs[partners])).astype(np.float32),
            joint=joint[partners].astype(np.int64),
            sample_tokens=self.n_tokens,
        )


def _model_record(tokenizer: SyntheticTokenizer) -> ModelRecord:
    return ModelRecord(
        slug="tiny",
        name="Tiny",
        source="tests",
        architecture="none",
        weights_hash="w" * 64,
        tokenizer_hash="t" * 64,
        d_model=16,
        n_layers=2,
        d_vocab=len(tokenizer.token_bytes),
        n_ctx=N_CTX,
        tokenizer_rules={"prepend_bos": True, "special_ids": sorted(tokenizer.special_ids)},
    )


def _harvest_record(slug: str, cut: list[ContextRecord], n_tokens: int) -> HarvestRecord:
    return HarvestRecord(
        id=f"harvest-of-{slug}",
        status="complete",
        model="tiny",
        corpus="made-up-sentences",
        dictionaries=(slug,),
        job_id=None,
        tokens_done=n_tokens,
        tokens=n_tokens,
        n_contexts=len(cut),
        n_documents=len({context.document_id for context in cut}),
        n_ctx=N_CTX,
        plan={"seed": 0},
        provenance={"dtype": "float32", "seed": 0, "version": "0.1.0"},
        created_at=MOMENT,
        finished_at=MOMENT,
        error=None,
    )


def _dictionary_record(slug: str, harvest: HarvestRecord, summary: DictionarySummary) -> DictionaryRecord:
    return DictionaryRecord(
        slug=slug,
        name=slug.replace("-", " ").title(),
        hash=hashlib.sha256(slug.encode()).hexdigest(),
        model="tiny",
        hook_name="blocks.1.hook_resid_post",
        kind="topk",
        d_in=16,
        d_sae=D_SAE,
        source="tests",
        conventions={"prepend_bos": True, "n_ctx": N_CTX, "weight_processing": "raw", "excluded_tokens": [0]},
        config={"k": 4},
        quality={"l0": summary.l0, "fvu": 0.18, "loss_recovered": 0.94, "dead_fraction": summary.n_dead / D_SAE},
        harvest=harvest,
    )


def _summary(features: list[FeatureRecord], n_tokens: int) -> DictionarySummary:
    density = np.array([feature.tokens_fired / n_tokens for feature in features])
    live = density[density > 0]
    edges = np.linspace(-6, 0, 25)
    counts, _ = np.histogram(np.log10(live), bins=edges)
    return DictionarySummary(
        n_features=len(features),
        n_dead=int((density == 0).sum()),
        n_dense=int((density > 0.1).sum()),
        l0=float(density.sum()),
        density_edges=tuple(edges.tolist()),
        density_counts=tuple(counts.tolist()),
    )
