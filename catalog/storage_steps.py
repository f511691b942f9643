"""How real numbers become 16-bit ones, and how far that can move them: the storage step.

| coding | for | step |
|---|---|---|
| share of peak | activations inside contexts | the feature's peak / 65,535; a firing one never becomes 0 |
| logarithmic | shares, precision, lift | 0.07 % of the value (error at most 0.035 %) |
| mean | mean activation by position | 4.4 % of the value (error at most 2.2 %), as wide as a histogram bin |
| signed | cosines, logit effects | the scale / 32,767; the scale is 1 for cosines |

Everything else of a feature (counts, peaks, band limits, moments) is kept exactly.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

TOP = 65_535
LOG_STEPS_PER_DOUBLING = 1_000
LOG_LOWEST_EXPONENT = -28
SIGNED_TOP = 32_767
SIGNED_ZERO = 32_768
MEAN_STEPS_PER_DOUBLING = 16
MEAN_RELATIVE_ERROR = 2 ** (0.5 / MEAN_STEPS_PER_DOUBLING) - 1
LOG_RELATIVE_ERROR = 2 ** (0.5 / LOG_STEPS_PER_DOUBLING) - 1

Codes = NDArray[np.uint16]
Values = NDArray[np.float64]


def encode_share(values: Values, peak: Values) -> Codes:
    """Activations of at least 0 and at most the peak, in units of peak / TOP; what fires gets at least 1."""
    scaled = np.rint(values / np.where(peak > 0, peak, 1.0) * TOP)
    return np.where(values > 0, np.maximum(scaled, 1), 0).astype(np.uint16)


def decode_share(codes: Codes, peak: float) -> Values:
    """Undoes `encode_share`, to within one step."""
    return codes.astype(np.float64) * (peak / TOP)


def encode_log(values: Values) -> Codes:
    """Values of at least 0 on a logarithmic grid; 0 and 1 stay exact, the range is 2**-28 to 2**37.5."""
    exponents = np.log2(np.where(values > 0, values, 1.0)) - LOG_LOWEST_EXPONENT
    codes = np.clip(np.rint(exponents * LOG_STEPS_PER_DOUBLING) + 1, 1, TOP)
    return np.where(values > 0, codes, 0).astype(np.uint16)


def decode_log(codes: Codes) -> Values:
    """Undoes `encode_log`, to within LOG_RELATIVE_ERROR."""
    return _log_values()[codes]


def encode_mean(sums: Values, counts: NDArray[np.int64], peak: Values) -> NDArray[np.int64]:
    """Sums of activations by how far their mean is below the peak: 1 at the peak, one more each step, 0 for no sum.

    A mean that rounding has put above the peak becomes the peak.
    """
    means = np.where(sums > 0, sums, 1.0) / np.maximum(counts, 1)
    below = np.log2(np.where(peak > 0, peak, 1.0) / means) * MEAN_STEPS_PER_DOUBLING
    return np.where(sums > 0, np.maximum(np.rint(below), 0) + 1, 0).astype(np.int64)


def decode_mean(codes: NDArray[np.int64], counts: NDArray[np.int64], peak: float) -> Values:
    """The sums that `encode_mean` was given, to within MEAN_RELATIVE_ERROR."""
    means = peak * np.exp2((1 - codes) / MEAN_STEPS_PER_DOUBLING)
    return np.where(codes > 0, means * np.maximum(counts, 1), 0.0)


def encode_signed(values: Values, scale: Values) -> Codes:
    """Values between -scale and scale, in units of scale / SIGNED_TOP; 0 stays exact."""
    scaled = np.rint(values / np.where(scale > 0, scale, 1.0) * SIGNED_TOP)
    return (np.clip(scaled, -SIGNED_TOP, SIGNED_TOP) + SIGNED_ZERO).astype(np.uint16)


def decode_signed(codes: Codes, scale: float) -> Values:
    """Undoes `encode_signed`, to within half a step."""
    return (codes.astype(np.float64) - SIGNED_ZERO) * (scale / SIGNED_TOP)


@cache
def _log_values() -> Values:
    exponents = (np.arange(TOP + 1) - 1) / LOG_STEPS_PER_DOUBLING + LOG_LOWEST_EXPONENT
    return np.concatenate([[0.0], np.exp2(exponents[1:])])
