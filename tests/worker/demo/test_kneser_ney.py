"""The n-gram model against a slow, obvious one made of dictionaries."""

import math
from collections import Counter, defaultdict
from itertools import product

import numpy as np
import pytest

from worker.demo.kneser_ney import train_kneser_ney

BOS = 0


class ObviousKneserNey:
    """The same model straight from its definition, one dictionary an order."""

    def __init__(self, stream, order, vocabulary):
        self.order, self.vocabulary = order, vocabulary
        plain = {size: Counter() for size in range(1, order + 1)}
        before = defaultdict(set)
        for text in self._texts(stream):
            for size, start in product(range(1, order + 1), range(len(text))):
                gram = tuple(text[start : start + size])
                plain[size][gram] += len(gram) == size
                before[gram] |= set(text[start - 1 : start])
        self.counts = {
            size: {
                gram: count if size == order or gram[0] == BOS else len(before[gram])
                for gram, count in plain[size].items()
                if gram != (BOS,) and count
            }
            for size in plain
        }
        self.discounts = {size: self._discounts(counts) for size, counts in self.counts.items()}

    @staticmethod
    def _texts(stream):
        texts = []
        for token in stream:
            if token == BOS:
                texts.append([])
            texts[-1].append(token)
        return texts

    @staticmethod
    def _discounts(counts):
        of = Counter(counts.values())
        if not all(of[times] for times in (1, 2, 3, 4)):
            return [0.5, 1.0, 1.5]
        share = of[1] / (of[1] + 2 * of[2])
        found = [times - (times + 1) * share * of[times + 1] / of[times] for times in (1, 2, 3)]
        valid = all(0 < taken <= times for times, taken in enumerate(found, start=1))
        return found if valid else [0.5, 1.0, 1.5]

    def chance(self, token, history):
        history = tuple(history[-(self.order - 1) :]) if self.order > 1 else ()
        return self._chance(token, history)

    def _chance(self, token, history):
        size = len(history) + 1
        lower = self._chance(token, history[1:]) if history else 1 / (self.vocabulary - 1)
        after = {gram: count for gram, count in self.counts[size].items() if gram[:-1] == history}
        if not after:
            return lower
        total = sum(after.values())
        taken = {gram: self.discounts[size][min(count, 3) - 1] for gram, count in after.items()}
        own = after.get((*history, token), 0) - taken.get((*history, token), 0)
        return own / total + sum(taken.values()) / total * lower


def random_stream(seed, *, tokens, vocabulary, bos=0.08):
    generator = np.random.default_rng(seed)
    stream = 1 + (generator.random(tokens) ** 3 * (vocabulary - 1)).astype(np.int64)
    stream[generator.random(tokens) < bos] = BOS
    stream[0] = BOS
    return stream


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", [0, 1])
def test_it_agrees_with_the_model_made_of_dictionaries(order, seed):
    stream = random_stream(seed, tokens=600, vocabulary=9)
    unseen = random_stream(seed + 10, tokens=120, vocabulary=12)
    obvious = ObviousKneserNey(stream.tolist(), order, 12)
    expected = []
    for text in ObviousKneserNey._texts(unseen.tolist()):
        expected += [-math.log(obvious.chance(text[i], text[:i])) for i in range(1, len(text))]
    losses = train_kneser_ney(stream, order=order, vocabulary=12).losses(unseen)
    np.testing.assert_allclose(losses, expected, rtol=1e-12)


def test_both_kinds_of_discounts_are_tried_by_the_streams_above():
    obvious = ObviousKneserNey(random_stream(0, tokens=600, vocabulary=9).tolist(), 5, 12)
    fallback = [discounts == [0.5, 1.0, 1.5] for discounts in obvious.discounts.values()]
    assert any(fallback)
    assert not all(fallback)


@pytest.mark.parametrize("history", [[], [3], [3, 1], [8, 8, 8, 8], [1, 1, 2, 1]])
def test_the_chances_of_all_tokens_after_a_history_add_up_to_one(history):
    model = train_kneser_ney(random_stream(3, tokens=500, vocabulary=10), order=5, vocabulary=10)
    chances = [math.exp(-model.losses(np.array([BOS, *history, token]))[-1]) for token in range(1, 10)]
    assert sum(chances) == pytest.approx(1.0)


def test_the_largest_token_ids_are_packed_without_touching_their_neighbours():
    stream = np.array([0, 4095, 4095, 1, 4095, 0, 4095, 4095, 4095, 4095, 4095, 1])
    obvious = ObviousKneserNey(stream.tolist(), 5, 4096)
    losses = train_kneser_ney(stream, order=5, vocabulary=4096).losses(stream)
    expected = []
    for text in ObviousKneserNey._texts(stream.tolist()):
        expected += [-math.log(obvious.chance(text[i], text[:i])) for i in range(1, len(text))]
    np.testing.assert_allclose(losses, expected, rtol=1e-12)


def test_a_stream_of_nothing_predicts_every_token_alike():
    model = train_kneser_ney(np.array([BOS]), order=5, vocabulary=5)
    np.testing.assert_allclose(model.losses(np.array([BOS, 1, 4])), [math.log(4)] * 2)


def test_a_stream_that_does_not_begin_with_bos_is_refused():
    with pytest.raises(ValueError, match="begins with BOS"):
        train_kneser_ney(np.array([3, 0]), order=5, vocabulary=5)


def test_an_order_that_cannot_be_packed_is_refused():
    with pytest.raises(ValueError, match="not 6 and 5"):
        train_kneser_ney(np.array([0, 1]), order=6, vocabulary=5)
