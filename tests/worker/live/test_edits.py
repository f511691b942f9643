"""Changed features in a running model, against TransformerLens's own hooks with the dictionary's dense encode."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.tiny import ALWAYS, D_SAE, DEAD, HOOK, tiny_dictionary
from tests.worker.live.conftest import dense, live, relu, top_k
from tests.worker.live.plainly import steered_logits
from worker.live.edits import Edit, Steering
from worker.lm.model import LanguageModel
from worker.sae.dictionary import Dictionary

TEXT = "alpha beta gamma 東"
MODES = ("add", "set", "remove")


def neurons() -> Dictionary:
    thresholds = torch.full((64,), 0.02)
    return Dictionary(
        kind="neurons",
        d_in=64,
        d_sae=64,
        W_enc=None,
        b_enc=torch.zeros(64),
        W_dec=None,
        b_dec=torch.zeros(64),
        hook_name="blocks.0.mlp.hook_post",
        model_name="tiny",
        conventions=relu().conventions,
        threshold=thresholds,
    )


def jumprelu() -> Dictionary:
    return replace(tiny_dictionary(seed=7), kind="jumprelu", threshold=torch.linspace(0, 1, D_SAE))


KINDS = {"relu": relu(), "topk": top_k(), "jumprelu": jumprelu(), "neurons": neurons()}


def ids_of(model: LanguageModel, text: str = TEXT) -> list[int]:
    return [model.tokenizer.bos_id, *model.tokenizer.encode([text])[0].tolist()]


def firing(model: LanguageModel, dictionary: Dictionary, token_ids: list[int], n: int = 2) -> list[int]:
    """Features that fire on some of the tokens, but not on all."""
    share = (dense(model, dictionary, token_ids)[1:] > 0).mean(0)
    found = np.flatnonzero((share > 0) & (share < 1))
    assert len(found) >= n
    return found[:n].tolist()


def edited_logits(model: LanguageModel, token_ids: list[int], edits: list[Edit]) -> torch.Tensor:
    rows = np.array([token_ids, token_ids])
    return model.logits(torch.from_numpy(rows), edit=Steering([[], edits]).at(rows))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_one_feature_is_changed_as_plain_hooks_change_it(model: LanguageModel, kind: str, mode: str):
    dictionary, token_ids = KINDS[kind], ids_of(model)
    for feature in firing(model, dictionary, token_ids):
        found = edited_logits(model, token_ids, [Edit(live(dictionary, model), feature, mode, 1.7)])
        slow = steered_logits(model, token_ids, [(dictionary, feature, mode, 1.7)])
        torch.testing.assert_close(found[1], slow, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(found[0], model.logits(torch.tensor([token_ids]))[0], atol=1e-5, rtol=1e-5)
        assert (found[1] - found[0]).abs().max() > 1e-3


def test_several_features_of_several_dictionaries_and_hooks(model: LanguageModel):
    token_ids, other = ids_of(model), replace(tiny_dictionary(seed=3), hook_name=HOOK)
    changes = [
        (relu(), ALWAYS, "add", 2.0),
        (relu(), firing(model, relu(), token_ids)[0], "remove", 0.0),
        (other, firing(model, other, token_ids)[0], "set", -1.5),
        (top_k(), firing(model, top_k(), token_ids)[0], "set", 3.0),
        (neurons(), firing(model, neurons(), token_ids)[0], "remove", 0.0),
    ]
    ready = {each.hash: live(each, model) for each, *_ in changes}
    edits = [Edit(ready[each.hash], *rest) for each, *rest in changes]
    found = edited_logits(model, token_ids, edits)[1]
    torch.testing.assert_close(found, steered_logits(model, token_ids, changes), atol=1e-4, rtol=1e-4)


def held(model: LanguageModel, token_ids: list[int], edits: list[Edit], hook_name: str) -> torch.Tensor:
    """What the hook holds after the edits."""
    seen = []
    rows = np.array([token_ids])
    (hook, edit), *_ = Steering([edits]).at(rows).items()
    assert hook == hook_name
    model.logits(torch.from_numpy(rows), edit={hook: lambda acts: seen.append(edit(acts)) or seen[-1]})
    return seen[0][0]


def test_setting_a_feature_makes_its_activation_that_and_moves_x_along_its_direction_alone(model: LanguageModel):
    token_ids, ready = ids_of(model), live(relu(), model)
    x = model.activations(torch.tensor([token_ids]), [HOOK])[HOOK][0]
    after = held(model, token_ids, [Edit(ready, ALWAYS, "set", 4.0)], HOOK)
    # Its encoder is blind, so its activation is 1 everywhere, and setting it to 4 adds 3 of its direction.
    assert torch.allclose(after[1:] - x[1:], 3 * relu().decoder_direction(ALWAYS).expand(len(x) - 1, -1), atol=1e-5)
    assert torch.equal(after[0], x[0])


def test_removing_leaves_tokens_where_the_feature_is_silent_untouched(model: LanguageModel):
    token_ids = ids_of(model)
    (feature,) = firing(model, relu(), token_ids, 1)[:1]
    x = model.activations(torch.tensor([token_ids]), [HOOK])[HOOK][0]
    after = held(model, token_ids, [Edit(live(relu(), model), feature, "remove")], HOOK)
    fires = dense(model, relu(), token_ids)[:, feature] > 0
    assert ((after - x).abs().max(-1).values > 0).tolist() == fires.tolist()


def test_removing_a_feature_that_never_fires_changes_nothing_at_all(model: LanguageModel):
    token_ids = ids_of(model)
    found = edited_logits(model, token_ids, [Edit(live(relu(), model), DEAD, "remove")])
    assert torch.equal(found[0], found[1])


def test_bos_and_special_tokens_are_untouched_wherever_they_stand(model: LanguageModel):
    bos = model.tokenizer.bos_id
    token_ids = [bos, 5, bos, 80]
    x = model.activations(torch.tensor([token_ids]), [HOOK])[HOOK][0]
    after = held(model, token_ids, [Edit(live(relu(), model), ALWAYS, "add", 2.0)], HOOK)
    assert [torch.equal(one, other) for one, other in zip(after, x, strict=True)] == [True, False, True, False]


def test_each_context_of_a_batch_has_edits_of_its_own(model: LanguageModel):
    token_ids = ids_of(model)
    rows = np.array([token_ids] * 3)
    one, other = live(relu(), model), live(top_k(), model)
    feature = firing(model, top_k(), token_ids)[0]
    edits = [[Edit(one, ALWAYS, "add", 1.0)], [], [Edit(one, ALWAYS, "set", -2.0), Edit(other, feature, "remove")]]
    found = model.logits(torch.from_numpy(rows), edit=Steering(edits).at(rows))
    slow = [
        steered_logits(model, token_ids, [(relu(), ALWAYS, "add", 1.0)]),
        steered_logits(model, token_ids, []),
        steered_logits(model, token_ids, [(relu(), ALWAYS, "set", -2.0), (top_k(), feature, "remove", 0.0)]),
    ]
    torch.testing.assert_close(found, torch.stack(slow), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_activations_of_some_features_are_those_of_the_dense_encode(model: LanguageModel, kind: str):
    dictionary = KINDS[kind]
    acts = model.activations(torch.tensor([ids_of(model)]), [dictionary.hook_name])[dictionary.hook_name][0]
    features = [5, 1, 0, 9]
    found = live(dictionary, model).encoder.acts_of(acts, features)
    torch.testing.assert_close(found, dictionary.encode(acts)[:, features], atol=1e-5, rtol=1e-5)
