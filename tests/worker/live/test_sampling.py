"""The choice of the next token: its frequencies, its limits, and the noise that texts share."""

import numpy as np
import torch

from worker.live.sampling import Sampling, choose

LOGITS = torch.tensor([[2.0, 1.0, 0.0, -1.0, -30.0]])


def drawn(sampling: Sampling, logits: torch.Tensor = LOGITS, n: int = 4000) -> np.ndarray:
    """How often each token is chosen over many steps."""
    chosen = [choose(logits, sampling, step=step)[0] for step in range(n)]
    return np.bincount(chosen, minlength=logits.shape[1]) / n


def test_tokens_are_chosen_as_often_as_they_are_likely():
    for temperature in (1.0, 2.0, 0.5):
        expected = np.exp(LOGITS[0].numpy() / temperature)
        expected /= expected.sum()
        # Six standard deviations of a share of 4,000 draws are at most 0.048.
        assert np.abs(drawn(Sampling(temperature=temperature)) - expected).max() < 0.048


def test_temperature_zero_takes_the_likeliest():
    assert choose(LOGITS.flip(-1), Sampling(temperature=0), step=3) == [4]
    for nearly in (1e-3, 1e-30, 1e-320):
        assert choose(LOGITS.flip(-1), Sampling(temperature=nearly, top_p=0.9), step=3) == [4]


def test_only_the_k_likeliest_are_chosen():
    assert set(np.flatnonzero(drawn(Sampling(temperature=5, top_k=2), n=300))) == {0, 1}
    tied = torch.zeros(1, 6)
    assert set(np.flatnonzero(drawn(Sampling(top_k=3), tied, n=300))) == {0, 1, 2}
    assert set(np.flatnonzero(drawn(Sampling(temperature=9, top_k=99), tied, n=300))) == set(range(6))


def test_only_the_likeliest_that_make_up_the_share_are_chosen():
    # Of the probabilities 0.644, 0.237, 0.087, 0.032, the first two are the fewest that hold 0.7.
    assert set(np.flatnonzero(drawn(Sampling(top_p=0.7), n=2000))) == {0, 1}
    assert set(np.flatnonzero(drawn(Sampling(top_p=1e-6), n=300))) == {0}
    # Of the first three the shares are 0.665, 0.245 and 0.090: 0.9 is reached with the second.
    assert set(np.flatnonzero(drawn(Sampling(top_p=0.9, top_k=3), n=2000))) == {0, 1}


def test_the_same_seed_and_step_give_the_same_token_and_others_do_not():
    flat = torch.zeros(1, 1000)
    assert choose(flat, Sampling(seed=3), step=5) == choose(flat, Sampling(seed=3), step=5)
    others = {
        choose(flat, Sampling(seed=seed), step=step)[0] for seed, step in ((3, 5), (3, 6), (4, 5), (2**63 - 1, 5))
    }
    assert len(others) == 4


def test_texts_of_one_distribution_get_one_token_and_nearly_the_same_ones_mostly_do():
    noisy = LOGITS + 0.01 * torch.randn(LOGITS.shape, generator=torch.Generator().manual_seed(0))
    pairs = [choose(torch.cat([LOGITS, LOGITS, noisy]), Sampling(), step=step) for step in range(500)]
    assert all(one == same for one, same, _ in pairs)
    assert np.mean([one == near for one, _, near in pairs]) > 0.95
