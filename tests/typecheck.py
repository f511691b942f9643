"""The type checker that the worker's functions get in tests: beartype, where it can."""

from collections.abc import Callable
from typing import Any

from beartype import beartype
from beartype.roar import BeartypeDecorHintPep673Exception


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """beartype, but a method that returns Self stays as it is: beartype takes that only on whole classes."""
    try:
        return beartype(function)
    except BeartypeDecorHintPep673Exception:
        return function
