"""On which device and in which dtype a model runs, when nobody says."""

import time
from typing import Literal

import torch

from worker.lm.errors import LanguageModelError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
DTypeName = Literal["auto", "float32", "bfloat16", "float16"]
_PRODUCT = (512, 512, 1024)
_TRIALS = 5
# Below this the choice would change from start to start with the noise of a busy machine.
_CLEARLY_FASTER = 1.3


def choose_device(device: str = "auto") -> torch.device:
    """'auto' is the first CUDA device, else Apple's GPU, else the CPU.

    Raises LanguageModelError for a device that this machine does not have.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise LanguageModelError(f"Device {device!r} cannot be used here: {error}. Try 'auto' or 'cpu'.") from error
    return chosen


def choose_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """'auto' is bfloat16 where a small matrix product is clearly faster in it, else float32.

    Timed rather than looked up: on many CPUs bfloat16 is emulated and several times slower.
    Raises LanguageModelError for a dtype of another name.
    """
    if dtype == "auto":
        faster = _seconds(torch.bfloat16, device) * _CLEARLY_FASTER < _seconds(torch.float32, device)
        return torch.bfloat16 if faster else torch.float32
    if dtype not in DTYPES:
        raise LanguageModelError(f"There is no dtype {dtype!r}; it is 'auto', {', '.join(map(repr, DTYPES))}.")
    return DTYPES[dtype]


def _seconds(dtype: torch.dtype, device: torch.device) -> float:
    """The fastest of a few products, the first of which only warms up."""
    rows, inner, columns = _PRODUCT
    left = torch.ones(rows, inner, dtype=dtype, device=device)
    right = torch.ones(inner, columns, dtype=dtype, device=device)
    fastest = float("inf")
    for trial in range(_TRIALS + 1):
        began = time.perf_counter()
        (left @ right)[0, 0].item()
        if trial:
            fastest = min(fastest, time.perf_counter() - began)
    return fastest
