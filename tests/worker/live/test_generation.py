"""Texts written with and without changed features, against a loop that reads everything anew for every token."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from tests.tiny import ALWAYS, DEAD, tiny_dictionary
from tests.worker.live.conftest import live, relu, top_k
from tests.worker.live.plainly import Change, steered_logits, written
from tests.worker.live.test_edits import firing, ids_of
from worker.live.edits import Edit
from worker.live.effects import Effects
from worker.live.errors import LiveError
from worker.live.generation import Generation
from worker.live.sampling import Sampling
from worker.lm.model import LanguageModel
from worker.sae.dictionary import Dictionary

PROMPT = "alpha be"


def generate(
    model: LanguageModel, changes: Sequence[Change], sampling: Sampling, n: int, text: str = PROMPT
) -> list[dict]:
    """The events of a generation."""
    ready = {each.hash: live(each, model) for each, *_ in changes}
    edits = [Edit(ready[each.hash], *rest) for each, *rest in changes]
    events: list[dict] = []
    prompt = np.array(ids_of(model, text))
    generation = Generation(model, prompt, edits, sampling=sampling, n_tokens=n, tell=events.append)
    while generation.step():
        pass
    return events


def tokens_of(events: list[dict], side: str) -> list[int]:
    return [each[side]["id"] for each in events if each["event"] == "token" and each[side] is not None]


def up_to_end(token_ids: list[int], end: int) -> list[int]:
    return token_ids[: token_ids.index(end) + 1] if end in token_ids else token_ids


@pytest.mark.parametrize("reads_on", [True, False], ids=["kept", "anew"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_both_texts_are_those_of_a_plain_loop(model: LanguageModel, monkeypatch, temperature: float, reads_on: bool):
    monkeypatch.setitem(vars(model), "_reads_on", reads_on)
    feature = firing(model, top_k(), ids_of(model))[0]
    changes = [(relu(), ALWAYS, "add", 6.0), (top_k(), feature, "set", 4.0)]
    events = generate(model, changes, Sampling(temperature=temperature, seed=11), 20)
    found = {side: tokens_of(events, side) for side in ("without", "with")}
    for side, applied in (("without", []), ("with", changes)):
        slow = written(model, ids_of(model, PROMPT), applied, n=20, temperature=temperature, seed=11)
        assert found[side] == up_to_end(slow, model.tokenizer.eos_id)
    assert found["with"] != found["without"]


def test_this_model_reads_on(model: LanguageModel):
    assert model.reads_on


def test_a_change_that_changes_nothing_writes_the_same_text_under_the_same_seed(model: LanguageModel):
    events = generate(model, [(relu(), DEAD, "remove", 0.0)], Sampling(seed=5), 30)
    assert tokens_of(events, "with") == tokens_of(events, "without")
    other = generate(model, [(relu(), DEAD, "remove", 0.0)], Sampling(seed=6), 30)
    assert tokens_of(other, "without") != tokens_of(events, "without")


def test_log_probabilities_are_the_models_own_whatever_the_sampling(model: LanguageModel):
    changes = [(relu(), ALWAYS, "set", 5.0)]
    events = generate(model, changes, Sampling(temperature=3.0, top_k=40, seed=2), 6)
    token_ids = ids_of(model, PROMPT)
    for event in events:
        if event["event"] == "token":
            own = steered_logits(model, token_ids, changes)[-1].log_softmax(-1)
            assert event["with"]["log_probability"] == pytest.approx(float(own[event["with"]["id"]]), abs=1e-4)
            token_ids.append(event["with"]["id"])


def test_the_distributions_after_the_prompt_are_compared(model: LanguageModel):
    changes = [(relu(), ALWAYS, "add", 4.0)]
    found = generate(model, changes, Sampling(), 1)[0]
    prompt = ids_of(model, PROMPT)
    before, after = (steered_logits(model, prompt, each)[-1].double().softmax(-1).numpy() for each in ([], changes))
    gain = after - before
    for name, order in (("gained", np.argsort(-gain)), ("lost", np.argsort(gain))):
        assert [row[0] for row in found[name]] == order[: len(found[name])].tolist()
        assert len(found[name]) == 10
        for token, first, second in found[name]:
            assert (first, second) == pytest.approx((np.log(before[token]), np.log(after[token])), abs=1e-3)
    for side, own in (("without", before), ("with", after)):
        assert [row[0] for row in found["likeliest"][side]] == np.argsort(-own)[:20].tolist()
        assert found["entropy"][side] == pytest.approx(-(own * np.log(own)).sum(), abs=1e-4)
    assert found["divergence"] == pytest.approx((after * np.log(after / before)).sum(), abs=1e-4)


def writes_the_end(model: LanguageModel) -> Dictionary:
    """Its feature ALWAYS writes a direction along which the end token beats all others, found as a perceptron is."""
    hook_name, end = "blocks.1.hook_resid_post", model.tokenizer.eos_id
    W_U = model.path_to_logits(hook_name).W_U
    W_U = W_U - W_U.mean(0)
    direction = W_U[:, end].clone()
    for _ in range(10_000):
        logits = direction @ W_U
        rival = int(torch.where(torch.arange(len(logits)) == end, -torch.inf, logits).argmax())
        if logits[end] > logits[rival] + 0.1 * direction.norm():
            break
        direction += W_U[:, end] - W_U[:, rival]
    plain = tiny_dictionary(hook_name=hook_name)
    plain.W_dec[ALWAYS] = direction / direction.norm()
    return plain


def test_a_text_ends_at_the_end_token_and_the_other_goes_on(model: LanguageModel):
    events = generate(model, [(writes_the_end(model), ALWAYS, "set", 500.0)], Sampling(temperature=0), 4)
    assert tokens_of(events, "with") == [model.tokenizer.eos_id]
    assert len(tokens_of(events, "without")) == 4
    assert events[-1] == {"event": "end", "reasons": {"with": "end_token", "without": "new_tokens"}}


def test_a_text_ends_where_the_models_context_is_full(model: LanguageModel):
    events = generate(model, [(relu(), DEAD, "remove", 0.0)], Sampling(seed=1), 500, text="a" * 58)
    # 58 letters and BOS leave room for five more in a context of 64.
    assert len(tokens_of(events, "without")) <= 5
    assert set(events[-1]["reasons"].values()) <= {"n_ctx", "end_token"}


def test_a_change_beyond_all_numbers_is_told(model: LanguageModel):
    with pytest.raises(LiveError, match="beyond what the model's numbers can hold"):
        generate(model, [(relu(), ALWAYS, "add", 1e30)], Sampling(), 3)


def test_effects_are_the_log_probabilities_of_the_following_tokens_with_each_feature_gone(model: LanguageModel):
    token_ids = ids_of(model, "alpha beta gamma")
    features = [*firing(model, relu(), token_ids, 3), DEAD]
    ready = live(relu(), model)
    variants = [[Edit(ready, each, "remove")] for each in features]
    for batch_tokens in (1, 40, 10_000):
        effects = Effects(model, np.array(token_ids), variants, batch_tokens=batch_tokens)
        steps = 1
        while effects.step():
            steps += 1
        assert steps == {1: 5, 40: 3, 10_000: 1}[batch_tokens]
        for row, changes in zip(
            effects.found, [[], *([(relu(), each, "remove", 0.0)] for each in features)], strict=True
        ):
            own = steered_logits(model, token_ids, changes).log_softmax(-1)[:-1]
            expected = own.gather(-1, torch.tensor(token_ids[1:])[:, None])[:, 0]
            assert np.allclose(row, expected.numpy(), atol=1e-4)
    assert np.allclose(effects.found[0], effects.found[-1], atol=1e-5)
    assert np.abs(effects.found[0] - effects.found[1]).max() > 1e-3
