"""Sums that do not depend on order: integer part and fraction apart, in two int64.

A value's fraction is cut to 2**-40. The fractions of eight million values fit before they must be
carried, which merging does.
"""

import numpy as np
from jaxtyping import Float64, Int64

from worker.harvest.compiled import inlined

FRACTION_BITS = 40
_ONE = float(2**FRACTION_BITS)


@inlined
def split(value):
    """Integer part and fraction, in units of 2**-40, of a value from 0 to 2**62."""
    whole = np.int64(value)
    return whole, np.int64((value - whole) * 1099511627776.0)


def carry(sums: Int64[np.ndarray, "n part"]) -> None:
    """Move whole units of the fractions to the integer parts, in place."""
    sums[:, 0] += sums[:, 1] >> FRACTION_BITS
    sums[:, 1] &= (1 << FRACTION_BITS) - 1


def as_float(sums: Int64[np.ndarray, "n part"]) -> Float64[np.ndarray, " n"]:
    """The sums as floats."""
    return sums[:, 0] + sums[:, 1] / _ONE
