"""What live inference makes of text, against each context by itself through the dictionary's own encode."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.tiny import ALWAYS, D_SAE
from tests.worker.live.conftest import as_dense, dense, live, relu, top_k, without_bos
from worker.live.answer import TextFired, joined
from worker.live.ask import Ask
from worker.live.batcher import Batcher
from worker.live.encode import LiveEncoder
from worker.live.errors import LiveError
from worker.live.limits import LiveLimits
from worker.live.request import read_request
from worker.live.rows import rows_of
from worker.lm.model import LanguageModel
from worker.sae.dictionary import Dictionary

PATIENCE_SECONDS = 120
LONG = "naïve 東京 alpha beta return self " * 4
TEXTS = [
    "alpha beta",
    "",
    "a",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 flags \U0001f1e9\U0001f1ea",
    "مرحبا بالعالم \u202eabc\u202c",
    "nul \x00 tab\t bell \x07 del \x7f line\r\n",
    LONG,
    "<|endoftext|><|endoftext|>",
]


@pytest.fixture(scope="module")
def batcher():
    batcher = Batcher(batch_tokens=96, make_room=lambda: None)
    yield batcher
    batcher.stop()


def ask(
    batcher: Batcher, model: LanguageModel, dictionaries: list[Dictionary], limits: LiveLimits | None = None, **values
) -> list[TextFired]:
    limits = limits or LiveLimits()
    asked = {"dictionaries": [each.hash for each in dictionaries], **values}
    request = read_request(json.dumps(asked).encode(), limits)
    ready = [live(each, model) for each in dictionaries]
    rows = rows_of(request, ready, limits)
    waiting = Ask(rows, most_firings=limits.firings)
    batcher.submit(waiting)
    return joined(request, ready, rows, waiting.done.result(PATIENCE_SECONDS))


def contexts(model: LanguageModel, dictionary: Dictionary, text: str) -> list[list[int]]:
    """The text in contexts of n_ctx tokens, cut by a loop."""
    conventions = dictionary.conventions
    prefix = [model.tokenizer.bos_id] if conventions.prepend_bos else []
    ids, width = model.tokenizer.encode([text])[0].tolist(), conventions.n_ctx - len(prefix)
    return [prefix + ids[start : start + width] for start in range(0, len(ids), width)]


@pytest.mark.parametrize(
    "dictionary", [relu(), top_k(), without_bos(relu(), n_ctx=20), without_bos(top_k())], ids=["relu", "topk", "r", "t"]
)
def test_any_text_gives_what_each_of_its_contexts_gives_alone(batcher, model: LanguageModel, dictionary: Dictionary):
    found = ask(batcher, model, [dictionary], texts=TEXTS)
    assert [each.text for each in found] == list(range(len(TEXTS)))
    for text, each in zip(TEXTS, found, strict=True):
        cut = contexts(model, dictionary, text)
        assert each.token_ids.tolist() == [token for ids in cut for token in ids]
        assert each.context_starts.tolist() == np.cumsum([0, *map(len, cut)])[: len(cut)].tolist()
        slow = np.concatenate([np.zeros((0, D_SAE)), *(dense(model, dictionary, ids) for ids in cut)])
        mine = as_dense(each.token_ids, each.positions, each.features, each.activations)
        assert np.allclose(mine, slow, atol=1e-5)
        assert len(each.features) == (mine > 0).sum()
        assert not len(each.pre_acts)


def test_dictionaries_of_several_hooks_and_rules_answer_one_request(batcher, model: LanguageModel):
    several = [relu(), top_k(), without_bos(top_k(2), n_ctx=16)]
    found = ask(batcher, model, several, texts=[LONG, "alpha"])
    assert [(each.text, each.dictionary) for each in found] == [(n, each.hash) for n in range(2) for each in several]
    for text, each, dictionary in zip([LONG] * 3 + ["alpha"] * 3, found, several * 2, strict=True):
        slow = np.concatenate([dense(model, dictionary, ids) for ids in contexts(model, dictionary, text)])
        assert np.allclose(as_dense(each.token_ids, each.positions, each.features, each.activations), slow, atol=1e-5)


def test_a_text_left_whole_is_one_context_as_long_as_the_model_allows(batcher, model: LanguageModel):
    text = "0123456789" * 5
    (whole,) = ask(batcher, model, [relu()], texts=[text], mode="whole")
    assert whole.context_starts.tolist() == [0]
    slow = dense(model, relu(), [model.tokenizer.bos_id, *model.tokenizer.encode([text])[0].tolist()])
    assert np.allclose(as_dense(whole.token_ids, whole.positions, whole.features, whole.activations), slow, atol=1e-5)
    with pytest.raises(LiveError, match=r"101 tokens in one piece; model .* takes 64 at most") as caught:
        ask(batcher, model, [relu()], texts=["0123456789" * 10], mode="whole")
    assert caught.value.status == 413


def test_contexts_given_as_token_ids_go_through_as_they_are(batcher, model: LanguageModel):
    ids = [model.tokenizer.bos_id, 5, 80, 80, 9, model.tokenizer.bos_id, 7]
    (found,) = ask(batcher, model, [relu()], token_ids=[ids])
    assert found.token_ids.tolist() == ids
    slow = dense(model, relu(), ids)
    assert np.allclose(as_dense(ids, found.positions, found.features, found.activations), slow, atol=1e-5)
    assert not {0, 5} & set(found.positions.tolist())
    with pytest.raises(LiveError, match=r"token_ids holds 257; model .* has tokens 0 to 256"):
        ask(batcher, model, [relu()], token_ids=[[0, 257]])


def test_only_the_features_asked_for_are_answered(batcher, model: LanguageModel):
    every = ask(batcher, model, [relu()], texts=["alpha beta"])[0]
    few = ask(batcher, model, [relu()], texts=["alpha beta"], only=[ALWAYS, 9])[0]
    chosen = np.isin(every.features, [ALWAYS, 9])
    assert few.features.tolist() == every.features[chosen].tolist()
    assert few.activations.tolist() == every.activations[chosen].tolist()
    assert set(few.features.tolist()) >= {ALWAYS}


@pytest.mark.parametrize("dictionary", [relu(), top_k()], ids=["relu", "topk"])
def test_margins_say_how_far_a_feature_is_from_firing(batcher, model: LanguageModel, dictionary: Dictionary):
    for feature in (ALWAYS, 5, 9):
        (found,) = ask(batcher, model, [dictionary], texts=["alpha beta gamma"], margins_of=feature)
        acts = model.activations(torch.from_numpy(found.token_ids[None].astype(np.int64)), (dictionary.hook_name,))
        pre_acts = dictionary.pre_acts(acts[dictionary.hook_name][0]).numpy()
        assert np.isnan(found.pre_acts[0])
        assert np.isnan(found.bars[0])
        assert np.allclose(found.pre_acts[1:], pre_acts[1:, feature], atol=1e-5)
        fires = np.zeros(len(found.token_ids), bool)
        fires[found.positions[found.features == feature]] = True
        assert (found.pre_acts[1:] > found.bars[1:]).tolist() == fires[1:].tolist()
        others = np.sort(np.delete(pre_acts[1:], feature, axis=1), axis=1)
        expected = np.maximum(0, others[:, -3]) if dictionary.k else np.zeros(len(others))
        assert np.allclose(found.bars[1:], expected, atol=1e-5)


def test_a_tile_of_tokens_more_changes_nothing(model: LanguageModel):
    dictionary = top_k()
    encoder = LiveEncoder(dictionary.harvest_weights(), dtype=torch.float32, device=torch.device("cpu"))
    acts = torch.randn(70, 16, generator=torch.Generator().manual_seed(0))
    whole = encoder.fire(acts, margins_of=3)
    encoder._tile = 16
    parts = encoder.fire(acts, margins_of=3)
    for name in ("ends", "features", "activations", "pre_acts", "bars"):
        assert np.allclose(getattr(whole, name), getattr(parts, name), atol=1e-6)


def test_excluded_tokens_are_silent(batcher, model: LanguageModel):
    letter = model.tokenizer.encode(["b"])[0].tolist()[0]
    spared = replace(relu(), conventions=replace(relu().conventions, excluded_tokens=(letter,)))
    (found,) = ask(batcher, model, [spared], texts=["abcb"])
    assert set(found.positions.tolist()) == {1, 3}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"3", "expected an object"),
        (b'{"texts": ["a"]}', "dictionaries is empty"),
        (b'{"texts": "a", "dictionaries": ["h"]}', "texts is no list of str"),
        (b'{"texts": [], "dictionaries": ["h"]}', "both or neither"),
        (b'{"texts": ["a"], "token_ids": [[1]], "dictionaries": ["h"]}', "both or neither"),
        (b'{"token_ids": [[true]], "dictionaries": ["h"]}', "no token id"),
        (b'{"token_ids": [[-1]], "dictionaries": ["h"]}', "no token id"),
        (b'{"texts": ["a"], "dictionaries": ["h"], "mode": "all"}', "mode is 'all'"),
        (b'{"texts": ["a"], "dictionaries": ["h"], "only": [1.5]}', "only is no list of int"),
        (b'{"texts": ["a"], "dictionaries": ["h"], "margins_of": "x"}', "margins_of is 'x'"),
        (b'{"texts": ["a"], "dictionaries": ["h"], "steer": 1}', "no steer"),
    ],
)
def test_what_is_no_request_is_refused_by_name(body: bytes, words: str):
    with pytest.raises(LiveError, match=words):
        read_request(body, LiveLimits())


def test_half_of_a_surrogate_pair_is_no_text(batcher, model: LanguageModel):
    with pytest.raises(LiveError, match="surrogate") as caught:
        ask(batcher, model, [relu()], texts=["ok", "\ud800"])
    assert caught.value.status == 422


def test_limits_name_value_and_limit(batcher, model: LanguageModel):
    with pytest.raises(LiveError, match="has 3 texts; the limit is 2") as caught:
        ask(batcher, model, [relu()], LiveLimits(texts=2), texts=["a", "b", "c"])
    assert caught.value.status == 413
    # 31 letters and BOS fill a context; the second begins with a BOS again.
    with pytest.raises(LiveError, match="has 34 tokens or more; the limit is 33"):
        ask(batcher, model, [relu()], LiveLimits(tokens=33), texts=["a" * 32])
    assert len(ask(batcher, model, [relu()], LiveLimits(tokens=34), texts=["a" * 32])[0].token_ids) == 34
    with pytest.raises(LiveError, match=r"firings or more; the limit is 3\."):
        ask(batcher, model, [relu()], LiveLimits(firings=3), texts=["a" * 32])
