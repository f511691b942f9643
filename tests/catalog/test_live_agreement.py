"""Whether live activations are the stored ones: differences, and flips that rounding explains or does not."""

from dataclasses import replace

import numpy as np
import pytest

from catalog.live_agreement import Agreement, compare, other_makings, stored_contexts, tolerance_of
from catalog.live_answers import LiveFirings
from catalog.storage_steps import TOP
from tests.catalog.random_features import feature, harvest_record

PEAK, TOLERANCE, INDEX = 4.0, 1e-3, 7
ALLOWED = PEAK * (TOLERANCE + 1 / TOP)


def live(activations: dict[int, float], *, margins: dict[int, tuple[float, float]] | None = None) -> LiveFirings:
    """A context of ten tokens. margins: pre-activation and bar at a place; the first token is left out."""
    pre_acts, bars = np.full(10, -1.0, np.float32), np.zeros(10, np.float32)
    for at, value in activations.items():
        pre_acts[at] = value
    for at, (own, bar) in (margins or {}).items():
        pre_acts[at], bars[at] = own, bar
    pre_acts[0] = bars[0] = np.nan
    return LiveFirings(
        text=0,
        dictionary="hash",
        token_ids=np.arange(10, dtype=np.int32),
        context_starts=np.zeros(1, np.int32),
        positions=np.array(sorted(activations), np.int32),
        features=np.full(len(activations), INDEX, np.int32),
        activations=np.array([activations[at] for at in sorted(activations)], np.float32),
        pre_acts=pre_acts,
        bars=bars,
    )


def held(stored: dict[int, float], found: LiveFirings) -> Agreement:
    return compare(stored, found, INDEX, peak=PEAK, tolerance=TOLERANCE)


def test_what_is_apart_by_less_than_tolerance_and_storage_step_agrees():
    agreement = held({2: 1.0, 5: 4.0}, live({2: 1.0 + 0.9 * ALLOWED, 5: 4.0}))
    assert agreement.positions.tolist() == [2, 5]
    assert agreement.greatest == pytest.approx(0.9 * ALLOWED, rel=1e-3)
    assert agreement.allowed == pytest.approx(ALLOWED)
    assert agreement.passes


def test_one_token_further_apart_fails_either_way():
    for apart in (-1.1 * ALLOWED, 1.1 * ALLOWED):
        agreement = held({2: 1.0, 5: 4.0}, live({2: 1.0, 5: 4.0 + apart}))
        assert agreement.greatest == pytest.approx(1.1 * ALLOWED, rel=1e-2)
        assert not agreement.passes


def test_a_flip_near_its_bar_passes_and_is_no_difference():
    bar = 2.0
    silent_now = held({3: bar + 0.0001}, live({}, margins={3: (bar - 0.5 * ALLOWED, bar)}))
    fires_now = held({}, live({3: bar + 0.5 * ALLOWED}, margins={3: (bar + 0.5 * ALLOWED, bar)}))
    for agreement in (silent_now, fires_now):
        assert (agreement.n_flips, agreement.n_unexplained) == (1, 0)
        assert agreement.greatest == 0.0
        assert agreement.passes


def test_a_flip_far_from_its_bar_fails():
    bar = 2.0
    for agreement in (
        held({3: 2.5}, live({}, margins={3: (bar - 2 * ALLOWED, bar)})),
        held({}, live({3: 2.5}, margins={3: (2.5, bar)})),
    ):
        assert (agreement.n_flips, agreement.n_unexplained) == (1, 1)
        assert not agreement.passes


def test_what_is_stored_at_a_token_that_live_inference_leaves_out_fails():
    assert not held({0: 1.0}, live({})).passes


def test_firings_of_other_features_do_not_count():
    found = replace(live({2: 1.0}), features=np.array([INDEX + 1], np.int32))
    agreement = held({}, found)
    assert len(agreement.positions) == 0
    assert agreement.passes


def test_the_coarser_dtype_decides():
    assert tolerance_of("float32") == 1e-3
    assert tolerance_of("float32", "bfloat16") == 2e-2
    assert tolerance_of("something") == 2e-2


def test_every_shown_context_is_listed_with_its_activations_and_controls_with_none():
    record = feature(5)
    found = stored_contexts(record)
    for contexts in (record.top, record.bands.contexts):
        for row, context in enumerate(contexts.context_ids.tolist()):
            here = slice(contexts.offsets[row], contexts.offsets[row + 1])
            if contexts is record.top or context not in record.top.context_ids:
                assert list(found[context]) == contexts.positions[here].tolist()
                assert list(found[context].values()) == contexts.activations[here].tolist()
    firing = {*record.top.context_ids.tolist(), *record.bands.contexts.context_ids.tolist()}
    silent = set(record.controls.context_ids.tolist()) - firing
    assert all(found[context] == {} for context in silent)
    assert found.keys() == firing | silent


def test_what_did_not_make_the_harvest_is_named_by_its_hash():
    facts = {"model_weights": "m", "tokenizer": "t"}
    made_by = {"model": {"weights_hash": "m"}, "tokenizer_hash": "t", "dictionaries": [{"hash": "d"}]}
    harvest = harvest_record(provenance=made_by)
    assert other_makings(harvest, "d", facts) == ()
    assert other_makings(harvest, "d", {**facts, "model_weights": "x"}) == ("model",)
    assert other_makings(harvest, "e", {**facts, "tokenizer": "x"}) == ("tokenizer", "dictionary")
    assert other_makings(harvest_record(provenance={}), "d", facts) == ()
