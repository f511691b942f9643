"""The two ways in which the harvest's kernels are compiled.

Kernels let go of Python's lock, are kept on disk between runs, and divide as NumPy does. Their
arguments are plain arrays by position, unchecked: what calls them owns shapes and types. The first
call with new types compiles, which takes up to a second or two.
"""

import inspect
from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel of its own. Wrappers that checkers put around the function are taken off first."""
    return njit(nogil=True, cache=True, error_model="numpy")(inspect.unwrap(kernel))


def inlined(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """A piece that becomes part of each kernel that calls it."""
    return njit(nogil=True, cache=True, error_model="numpy", inline="always")(inspect.unwrap(kernel))
