"""An interpolated, modified Kneser-Ney n-gram model, counted by sorting.

It is what the demo's language model is measured against. A stream is a row of
texts, each begun by BOS (id 0). No n-gram reaches over a BOS, and BOS itself is
never predicted. Source: Chen and Goodman 1998, "An Empirical Study of Smoothing
Techniques for Language Modeling", section 3; n-grams begun by BOS keep their plain
counts, since nothing can stand before them.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt64

BOS_ID = 0
_BITS = 12
_FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)


@dataclass(frozen=True, slots=True)
class GramTable:
    """All n-grams of one order, with what prediction needs of them.

    grams: packed n-grams, rising. gains: each one's discounted count over its
    history's total. histories: packed histories, rising; backoffs: the weight that
    each leaves to the next lower order.
    """

    grams: UInt64[np.ndarray, " gram"]
    gains: Float[np.ndarray, " gram"]
    histories: UInt64[np.ndarray, " history"]
    backoffs: Float[np.ndarray, " history"]


@dataclass(frozen=True, slots=True)
class KneserNey:
    """A trained model: one table an order, unigrams first.

    vocabulary: how many tokens there are, BOS among them.
    """

    tables: tuple[GramTable, ...]
    vocabulary: int

    def losses(self, stream: Int[np.ndarray, " token"]) -> Float[np.ndarray, " predicted"]:
        """The loss in nats of each token of the stream that is no BOS, in order.

        Raises ValueError where the stream does not begin with BOS.
        """
        since_bos = _since_bos(stream)
        chances = np.full(len(stream), 1.0 / (self.vocabulary - 1))
        for order, table in enumerate(self.tables, start=1):
            places = _places(since_bos, order)
            chances[places] = _mixed(table, _grams(stream, places, order), chances[places])
        return -np.log(chances[since_bos > 0])


def train_kneser_ney(stream: Int[np.ndarray, " token"], *, order: int, vocabulary: int) -> KneserNey:
    """Counts the stream's n-grams up to the order, and smooths them.

    order: from 1 to 5. vocabulary: at most 4096 tokens.
    Raises ValueError for other numbers, and where the stream does not begin with BOS.
    """
    if not (1 <= order <= 5 and 2 <= vocabulary <= 1 << _BITS):
        raise ValueError(f"An order of 1 to 5 and 2 to 4096 tokens are expected, not {order} and {vocabulary}.")
    since_bos = _since_bos(stream)
    tables: list[GramTable] = []
    longer: np.ndarray | None = None
    for size in range(order, 0, -1):
        grams, counts = _counted(_grams(stream, _places(since_bos, size), size))
        if longer is not None:
            grams, counts = _adjusted(grams, counts, longer, size)
        tables.append(_table(grams, counts))
        longer = grams
    return KneserNey(tables=tuple(reversed(tables)), vocabulary=vocabulary)


def _since_bos(stream: np.ndarray) -> np.ndarray:
    """How many places each token stands behind its text's BOS."""
    if len(stream) and stream[0] != BOS_ID:
        raise ValueError(f"A stream begins with BOS ({BOS_ID}), this one with {stream[0]}.")
    places = np.arange(len(stream), dtype=np.int32)
    return places - np.maximum.accumulate(np.where(stream == BOS_ID, places, 0))


def _places(since_bos: np.ndarray, order: int) -> np.ndarray:
    """Where n-grams of the order end; of unigrams, BOS is none."""
    return np.flatnonzero(since_bos >= max(1, order - 1))


def _grams(stream: np.ndarray, places: np.ndarray, order: int) -> np.ndarray:
    """The n-grams that end at the places, each packed into one number, first token highest."""
    grams = np.zeros(len(places), dtype=np.uint64)
    for back in range(order - 1, -1, -1):
        grams <<= np.uint64(_BITS)
        grams |= stream[places - back].astype(np.uint64)
    return grams


def _counted(grams: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct n-grams, rising, with their counts. Sorts its argument in place."""
    grams.sort()
    firsts = _group_starts(grams)
    return grams[firsts], np.diff(firsts, append=len(grams))


def _group_starts(rising: np.ndarray) -> np.ndarray:
    is_first = np.ones(len(rising), dtype=bool)
    is_first[1:] = rising[1:] != rising[:-1]
    return np.flatnonzero(is_first)


def _adjusted(grams: np.ndarray, counts: np.ndarray, longer: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts of the distinct tokens before each n-gram; plain counts where it begins with BOS."""
    mask = np.uint64((1 << (_BITS * order)) - 1)
    inner, continuations = _counted(longer & mask)
    if order == 1:
        return inner, continuations
    opening = grams >> np.uint64(_BITS * (order - 1)) == BOS_ID
    merged = np.concatenate((grams[opening], inner))
    rising = np.argsort(merged, kind="stable")
    return merged[rising], np.concatenate((counts[opening], continuations))[rising]


def _table(grams: np.ndarray, counts: np.ndarray) -> GramTable:
    discounts = np.array([0.0, *_discounts(counts)])[np.minimum(counts, 3)]
    histories = grams >> np.uint64(_BITS)
    firsts = _group_starts(histories)
    sizes = np.diff(firsts, append=len(grams))
    totals = np.add.reduceat(counts.astype(np.float64), firsts) if len(grams) else np.zeros(0)
    left = np.add.reduceat(discounts, firsts) if len(grams) else np.zeros(0)
    return GramTable(
        grams=grams,
        gains=(counts - discounts) / np.repeat(totals, sizes),
        histories=histories[firsts],
        backoffs=left / totals,
    )


def _discounts(counts: np.ndarray) -> tuple[float, float, float]:
    """What is taken off counts of one, of two, and of three or more."""
    once, twice, thrice, four = (int(np.sum(counts == times)) for times in (1, 2, 3, 4))
    if not (once and twice and thrice and four):
        return _FALLBACK_DISCOUNTS
    share = once / (once + 2 * twice)
    found = (
        1 - 2 * share * twice / once,
        2 - 3 * share * thrice / twice,
        3 - 4 * share * four / thrice,
    )
    valid = all(0 < taken <= times for times, taken in enumerate(found, start=1))
    return found if valid else _FALLBACK_DISCOUNTS


def _mixed(table: GramTable, grams: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Probabilities of the n-grams' last tokens, given those of the next lower order."""
    gains = _looked_up(table.grams, table.gains, grams, missing=0.0)
    backoffs = _looked_up(table.histories, table.backoffs, grams >> np.uint64(_BITS), missing=1.0)
    return gains + backoffs * lower


def _looked_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray, *, missing: float) -> np.ndarray:
    if not len(keys):
        return np.full(len(wanted), missing)
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], missing)
