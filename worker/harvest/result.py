"""What a harvest found, in columns over all features of one dictionary.

Ragged fields are flat arrays with offsets: feature `i` owns rows `offsets[i]:offsets[i + 1]`. The
fields have the names and meanings of the catalog's feature record, so that slicing one feature is
all that is left to do. This file knows nothing of the catalog.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, UInt8

N_BANDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class ContextColumns:
    """Contexts of each feature with the sparse activations it has in them.

    Feature i owns the rows offsets[i]:offsets[i + 1]; row r fires at
    positions[firing_offsets[r]:firing_offsets[r + 1]] with the activations beside them.
    Positions count from the start of the context, BOS included. peaks are exact.
    """

    offsets: Int64[np.ndarray, " features_and_one"]
    context_ids: Int64[np.ndarray, " row"]
    peaks: Float32[np.ndarray, " row"]
    firing_offsets: Int64[np.ndarray, " rows_and_one"]
    positions: Int32[np.ndarray, " firing"]
    activations: Float32[np.ndarray, " firing"]

    def feature(self, index: int) -> dict[str, Any]:
        """Context set of one feature: context_ids, peaks, offsets, positions, activations."""
        rows = slice(self.offsets[index], self.offsets[index + 1])
        bounds = self.firing_offsets[self.offsets[index] : self.offsets[index + 1] + 1]
        firings = slice(bounds[0], bounds[-1])
        return {
            "context_ids": self.context_ids[rows],
            "peaks": self.peaks[rows],
            "offsets": bounds - bounds[0],
            "positions": self.positions[firings].astype(np.int64),
            "activations": self.activations[firings],
        }


@dataclass(frozen=True, slots=True, eq=False)
class BandColumns:
    """Fifths of each feature's sampled firing contexts, strongest first, and those shown of each.

    A fifth that is empty, because fewer than five contexts were sampled, has zeros throughout.
    """

    low: Float32[np.ndarray, "d_sae band"]
    high: Float32[np.ndarray, "d_sae band"]
    share_of_firings: Float32[np.ndarray, "d_sae band"]
    share_of_activation: Float32[np.ndarray, "d_sae band"]
    band: UInt8[np.ndarray, " row"]
    contexts: ContextColumns
    sample_size: Int64[np.ndarray, " d_sae"]
    sample_of: Int64[np.ndarray, " d_sae"]

    def feature(self, index: int) -> dict[str, Any]:
        """Bands of one feature."""
        offsets = self.contexts.offsets
        return {
            "low": self.low[index],
            "high": self.high[index],
            "share_of_firings": self.share_of_firings[index],
            "share_of_activation": self.share_of_activation[index],
            "band": self.band[offsets[index] : offsets[index + 1]],
            "contexts": self.contexts.feature(index),
            "sample_size": int(self.sample_size[index]),
            "sample_of": int(self.sample_of[index]),
        }


@dataclass(frozen=True, slots=True, eq=False)
class ControlColumns:
    """Contexts in which each feature is silent.

    reason: 0 by hash alone, 1 contains one of its three commonest tokens (`related` is that token
    id), 2 a related feature fires there (`related` is its index); `related` is -1 for reason 0.
    """

    offsets: Int64[np.ndarray, " features_and_one"]
    context_ids: Int64[np.ndarray, " row"]
    reason: UInt8[np.ndarray, " row"]
    related: Int64[np.ndarray, " row"]

    def feature(self, index: int) -> dict[str, Any]:
        """Controls of one feature."""
        rows = slice(self.offsets[index], self.offsets[index + 1])
        return {
            "context_ids": self.context_ids[rows],
            "reason": self.reason[rows],
            "related": self.related[rows],
        }


@dataclass(frozen=True, slots=True, eq=False)
class ReserveColumns:
    """Firing contexts (with the band each is from) and controls kept back for blind tests."""

    contexts: ContextColumns
    band: UInt8[np.ndarray, " row"]
    controls: ControlColumns

    def feature(self, index: int) -> dict[str, Any]:
        """Reserve of one feature."""
        offsets = self.contexts.offsets
        return {
            "contexts": self.contexts.feature(index),
            "band": self.band[offsets[index] : offsets[index + 1]],
            "controls": self.controls.feature(index),
        }


@dataclass(frozen=True, slots=True, eq=False)
class TokenColumns:
    """Statistics of one token place (the token itself, the one before or after), best F1 first.

    recall: P(token | fires), from the sample, with its 95 % interval low..high. precision:
    P(fires | token), with the exact counts. lift: precision over density. mass: share of activation.
    """

    offsets: Int64[np.ndarray, " features_and_one"]
    token_ids: Int64[np.ndarray, " row"]
    recall: Float32[np.ndarray, " row"]
    precision: Float32[np.ndarray, " row"]
    lift: Float32[np.ndarray, " row"]
    mass: Float32[np.ndarray, " row"]
    low: Float32[np.ndarray, " row"]
    high: Float32[np.ndarray, " row"]

    def feature(self, index: int) -> dict[str, Any]:
        """Token statistics of one feature."""
        rows = slice(self.offsets[index], self.offsets[index + 1])
        names = ("token_ids", "recall", "precision", "lift", "mass", "low", "high")
        return {name: getattr(self, name)[rows] for name in names}


@dataclass(frozen=True, slots=True, eq=False)
class CoactivationColumns:
    """Features that fire on the same tokens, by Jaccard. joint: sampled tokens on which both fire."""

    offsets: Int64[np.ndarray, " features_and_one"]
    indices: Int64[np.ndarray, " row"]
    jaccard: Float32[np.ndarray, " row"]
    other_given_this: Float32[np.ndarray, " row"]
    this_given_other: Float32[np.ndarray, " row"]
    joint: Int64[np.ndarray, " row"]
    sample_tokens: int

    def feature(self, index: int) -> dict[str, Any]:
        """Partners of one feature."""
        rows = slice(self.offsets[index], self.offsets[index + 1])
        names = ("indices", "jaccard", "other_given_this", "this_given_other", "joint")
        return {name: getattr(self, name)[rows] for name in names} | {"sample_tokens": self.sample_tokens}


@dataclass(frozen=True, slots=True, eq=False)
class CorpusColumns:
    """What the reducers saw of the corpus itself, the same for every dictionary of a harvest.

    tokens: tokens reduced; special_tokens: special tokens, BOS, and position 0 where no BOS is
    prepended, counted apart (padding is in neither). token_counts, previous_counts, next_counts:
    reduced tokens by their own id, the id before them and the id after them in the context.
    position_edges: bucket b holds positions edges[b] <= p < edges[b + 1].
    """

    tokens: int
    special_tokens: int
    contexts: int
    documents: int
    token_counts: Int64[np.ndarray, " d_vocab"]
    previous_counts: Int64[np.ndarray, " d_vocab"]
    next_counts: Int64[np.ndarray, " d_vocab"]
    position_edges: Int64[np.ndarray, " buckets_and_one"]
    position_tokens: Int64[np.ndarray, " bucket"]


@dataclass(frozen=True, slots=True, eq=False)
class SummaryCounts:
    """A whole dictionary in counts. n_dense: features firing on more than a tenth of the tokens.

    density_counts[i] live features have density_edges[i] <= log10(density) < density_edges[i + 1].
    """

    n_features: int
    n_dead: int
    n_dense: int
    l0: float
    density_edges: tuple[float, ...]
    density_counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class HarvestResult:
    """Everything one harvest says of one dictionary; see `WeightResult` for what its weights say.

    features: the numbers in the dictionary of the d_sae features that were harvested, ascending.
    """

    d_sae: int
    features: Int64[np.ndarray, " d_sae"]
    corpus: CorpusColumns
    summary: SummaryCounts
    tokens_fired: Int64[np.ndarray, " d_sae"]
    contexts_fired: Int64[np.ndarray, " d_sae"]
    documents_fired: Int64[np.ndarray, " d_sae"]
    activation_sum: Float64[np.ndarray, " d_sae"]
    activation_sum_squares: Float64[np.ndarray, " d_sae"]
    peak: Float32[np.ndarray, " d_sae"]
    histogram_offsets: Int64[np.ndarray, " features_and_one"]
    histogram_bins: Int64[np.ndarray, " filled"]
    histogram_counts: Int64[np.ndarray, " filled"]
    top: ContextColumns
    bands: BandColumns
    controls: ControlColumns
    reserve: ReserveColumns
    tokens: TokenColumns
    previous_tokens: TokenColumns
    next_tokens: TokenColumns
    position_fired: Int64[np.ndarray, "d_sae bucket"]
    position_sum: Float32[np.ndarray, "d_sae bucket"]
    coactivation: CoactivationColumns

    def feature(self, index: int) -> dict[str, Any]:
        """Fields of the feature in a place, named as in the catalog's feature record, weights apart."""
        filled = slice(self.histogram_offsets[index], self.histogram_offsets[index + 1])
        return {
            "index": int(self.features[index]),
            "tokens_fired": int(self.tokens_fired[index]),
            "contexts_fired": int(self.contexts_fired[index]),
            "documents_fired": int(self.documents_fired[index]),
            "activation_sum": float(self.activation_sum[index]),
            "activation_sum_squares": float(self.activation_sum_squares[index]),
            "peak": float(self.peak[index]),
            "histogram_bins": self.histogram_bins[filled],
            "histogram_counts": self.histogram_counts[filled],
            "position_fired": self.position_fired[index],
            "position_sum": self.position_sum[index],
        } | {name: getattr(self, name).feature(index) for name in _RAGGED}


_RAGGED = (
    "top",
    "bands",
    "controls",
    "reserve",
    "tokens",
    "previous_tokens",
    "next_tokens",
    "coactivation",
)


@dataclass(frozen=True, slots=True, eq=False)
class LogitColumns:
    """Direct effect of each decoder direction on the output logits, centred over the vocabulary.

    promoted are the greatest effects, strongest first; suppressed the least, most negative first.
    counts: histogram of all d_vocab effects in equal bins from low to high.
    final_norm_scale: whether the final norm's elementwise scale is in the path.
    """

    promoted_ids: Int64[np.ndarray, "d_sae shown"]
    promoted: Float32[np.ndarray, "d_sae shown"]
    suppressed_ids: Int64[np.ndarray, "d_sae shown"]
    suppressed: Float32[np.ndarray, "d_sae shown"]
    low: Float32[np.ndarray, " d_sae"]
    high: Float32[np.ndarray, " d_sae"]
    counts: Int64[np.ndarray, "d_sae bins"]
    final_norm_scale: bool

    def feature(self, index: int) -> dict[str, Any]:
        """Logit effects of one feature."""
        names = ("promoted_ids", "promoted", "suppressed_ids", "suppressed", "counts")
        arrays = {name: getattr(self, name)[index] for name in names}
        return arrays | {"low": float(self.low[index]), "high": float(self.high[index])}


@dataclass(frozen=True, slots=True, eq=False)
class WeightResult:
    """What the weights alone say of every feature. logits is None where the hook has no path.

    neighbours: features by decoder cosine, nearest first, itself left out.
    """

    logits: LogitColumns | None
    neighbour_indices: Int64[np.ndarray, "d_sae nearest"]
    neighbour_cosines: Float32[np.ndarray, "d_sae nearest"]
    encoder_decoder_cosine: Float32[np.ndarray, " d_sae"]
    decoder_norm: Float32[np.ndarray, " d_sae"]

    def feature(self, index: int) -> dict[str, Any]:
        """Fields of one feature, named as in the catalog's feature record."""
        return {
            "logits": None if self.logits is None else self.logits.feature(index),
            "neighbour_indices": self.neighbour_indices[index],
            "neighbour_cosines": self.neighbour_cosines[index],
            "encoder_decoder_cosine": float(self.encoder_decoder_cosine[index]),
            "decoder_norm": float(self.decoder_norm[index]),
        }
