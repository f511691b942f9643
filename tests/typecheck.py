"""The type checker that the worker's functions get in tests: beartype, where it can.

beartype asks isinstance, which plain protocols do not answer, and takes Self only on whole classes. What it cannot
check is left unchecked; shapes and everything else are. NumPy's own numbers are numbers, and an int will do for a
float.
"""

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
from beartype import BeartypeConf, FrozenDict, beartype
from beartype.roar import BeartypeDecorHintException

NUMBERS = BeartypeConf(
    hint_overrides=FrozenDict(
        {int: int | np.integer, float: float | int | np.floating | np.integer, bool: bool | np.bool_}
    )
)


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its annotations checked at every call."""
    hints = dict(getattr(function, "__annotations__", {}))
    function.__annotations__ = {name: Any if _unanswerable(hint) else hint for name, hint in hints.items()}
    try:
        return beartype(function, conf=NUMBERS)
    except BeartypeDecorHintException:
        return function
    finally:
        function.__annotations__ = hints


def _unanswerable(hint: Any) -> bool:
    is_protocol = getattr(hint, "_is_protocol", False) and not getattr(hint, "_is_runtime_protocol", False)
    return is_protocol or any(_unanswerable(part) for part in get_args(hint))
