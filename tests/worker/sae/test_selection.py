"""Selecting in memory gives what selecting plainly gives, at thresholds, at ties and to the last bit."""

import numpy as np
import pytest
import torch

from worker.sae.selection import select_in_memory, select_plainly

TOKENS, D_SAE = 37, 301


def rule(kind: str, seed: int = 0) -> dict:
    random = np.random.default_rng(seed)
    bias = random.normal(size=D_SAE).astype(np.float32)
    threshold = np.zeros(D_SAE, np.float32)
    if kind == "threshold":
        threshold = np.abs(random.normal(size=D_SAE)).astype(np.float32)
    return {"bias": bias, "threshold": threshold, "k": 7 if kind == "top k" else None}


def same(pre_acts: torch.Tensor, asked: dict) -> int:
    """How much fires, after holding the two against each other."""
    before = pre_acts.clone()
    plain, fast = select_plainly(pre_acts, **asked), select_in_memory(pre_acts, **asked)
    for one, other in zip(plain, fast, strict=True):
        assert one.dtype == other.dtype
        assert one.tolist() == other.tolist()
    assert torch.equal(pre_acts, before)
    return len(plain[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", ["zero", "threshold", "top k"])
def test_both_ways_select_the_same(kind: str, dtype: torch.dtype):
    pre_acts = 2 * torch.randn(TOKENS, D_SAE, generator=torch.Generator().manual_seed(1))
    assert same(pre_acts.to(dtype), rule(kind)) > TOKENS


@pytest.mark.parametrize("kind", ["zero", "threshold"])
def test_a_value_at_its_threshold_is_silent_and_the_next_float_fires(kind: str):
    asked = rule(kind)
    bias, threshold = torch.from_numpy(asked["bias"]), torch.from_numpy(asked["threshold"])
    near = (threshold - bias).repeat(9, 1)
    for row in range(9):
        for _ in range(abs(row - 4)):
            near[row] = torch.nextafter(near[row], torch.full((D_SAE,), np.inf if row > 4 else -np.inf))
    fired = same(near, asked)
    assert 0 < fired < near.numel()


def test_ties_go_to_the_lower_index():
    asked = rule("top k")
    asked["bias"][:] = 0
    pre_acts = torch.zeros(3, D_SAE)
    pre_acts[0, ::5] = 1.0
    pre_acts[1, 10:14], pre_acts[1, 100:110] = 2.0, 1.0
    assert same(pre_acts, asked) == 14
    _, features, _ = select_in_memory(pre_acts, **asked)
    assert features.tolist() == [0, 5, 10, 15, 20, 25, 30, 10, 11, 12, 13, 100, 101, 102]


@pytest.mark.parametrize("kind", ["zero", "threshold", "top k"])
def test_no_tokens_and_silent_tokens_select_nothing(kind: str):
    assert same(torch.empty(0, D_SAE), rule(kind)) == 0
    assert same(torch.full((4, D_SAE), -100.0), rule(kind)) == 0
