"""Steering and attribution of the bundled model with its own dictionaries, against plain hooks and plain sums."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.worker.live.conftest import live
from tests.worker.live.plainly import steered_logits, written
from tests.worker.lm.conftest import BUNDLED_MODEL
from worker.live.attribution import attribute
from worker.live.edits import Edit, Steering
from worker.live.generation import Generation
from worker.live.sampling import Sampling
from worker.lm.model import LanguageModel, load_language_model
from worker.sae import formats
from worker.sae.dictionary import Dictionary

DICTIONARIES = BUNDLED_MODEL.parent / "dictionaries"
NAMES = ("demo-resid-mid", "demo-mlp-mid", "demo-resid-late")
TEXT = "def get_name(self):\n    return self.name"


@pytest.fixture(scope="module")
def bundled() -> LanguageModel:
    return load_language_model(BUNDLED_MODEL, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def dictionaries() -> dict[str, Dictionary]:
    return {name: formats.load(Path(DICTIONARIES / name)) for name in NAMES}


def ids_of(model: LanguageModel) -> list[int]:
    return [model.tokenizer.bos_id, *model.tokenizer.encode([TEXT])[0].tolist()]


def strongest(model: LanguageModel, dictionary: Dictionary) -> int:
    """The feature with the greatest activation on the text."""
    acts = model.activations(torch.tensor([ids_of(model)]), (dictionary.hook_name,))[dictionary.hook_name]
    return int(dictionary.encode(acts[0])[1:].max(0).values.argmax())


def test_features_at_three_hooks_are_changed_as_plain_hooks_change_them(bundled, dictionaries):
    changes = [
        (dictionaries[name], strongest(bundled, dictionaries[name]), mode, 8.0)
        for name, mode in zip(NAMES, ("set", "add", "remove"), strict=True)
    ]
    edits = [Edit(live(each, bundled), *rest) for each, *rest in changes]
    rows = np.array([ids_of(bundled)] * 2)
    found = bundled.logits(torch.from_numpy(rows), edit=Steering([[], edits]).at(rows))
    slow = steered_logits(bundled, ids_of(bundled), changes)
    torch.testing.assert_close(found[1], slow, atol=2e-3, rtol=2e-3)
    assert (found[1] - found[0]).abs().max() > 0.1
    events: list[dict] = []
    generation = Generation(
        bundled, rows[0], edits, sampling=Sampling(seed=8), n_tokens=6, tell=lambda event: events.append(dict(event))
    )
    while generation.step():
        pass
    for side, applied in (("without", []), ("with", changes)):
        mine = [event[side]["id"] for event in events if event["event"] == "token" and event[side]]
        assert mine == written(bundled, ids_of(bundled), applied, n=6, temperature=1.0, seed=8)[: len(mine)]


@pytest.mark.parametrize("name", NAMES)
def test_contributions_sum_to_the_logits_and_the_error_is_what_decoding_leaves(bundled, dictionaries, name: str):
    dictionary, token_ids = dictionaries[name], np.array(ids_of(bundled))
    everything = list(range(bundled.d_vocab))
    found = attribute(
        live(dictionary, bundled), token_ids, position=5, targets=everything, most_features=dictionary.d_sae
    )
    logits = bundled.logits(torch.from_numpy(token_ids[None]))[0, 5].numpy()
    parts = [*(each for _, _, each in found.features), *found.parts.values()]
    assert np.allclose(np.sum([each.on_targets for each in parts], axis=0), logits, atol=5e-3)
    assert found.gap < 5e-3
    # The error term again, with the norm's scale from the definition of LayerNorm.
    names = (dictionary.hook_name, "blocks.4.hook_resid_post")
    acts = bundled.activations(torch.from_numpy(token_ids[None]), names)
    x, last = (acts[each][0, 5] for each in names)
    path, norm = bundled.path_to_logits(dictionary.hook_name), bundled._bridge.ln_final.original_component
    error = x - dictionary.decode(dictionary.encode(x))
    error = error if path.to_residual is None else error @ path.to_residual
    scaled = (error - error.mean()) / (last.var(unbiased=False) + norm.eps).sqrt() * norm.weight
    assert np.allclose(found.parts["error"].on_targets, (scaled @ path.W_U).numpy(), atol=5e-3)
