"""How the learning rate, k and the sparsity term change over a run; `done` is the share of the run behind us."""


def ramp(done: float, share: float) -> float:
    """From 0 at the start to 1 after `share` of the run; 1 throughout where share is 0."""
    return 1.0 if share <= 0 else min(1.0, max(0.0, done / share))


def learning_rate_factor(step: int, n_steps: int, *, warmup: float, decay: float) -> float:
    """Factor on the peak learning rate: a linear rise that is never 0, then 1, then a linear fall to nearly 0."""
    rise = ramp((step + 1) / n_steps, warmup)
    fall = ramp((n_steps - step) / n_steps, decay)
    return min(rise, fall)


def k_at(done: float, *, k: int, k_start: int | None, warmdown: float) -> int:
    """Features a token may use: k_start at first, k after `warmdown` of the run, linear between."""
    start = k if k_start is None else k_start
    return round(start + (k - start) * ramp(done, warmdown))
