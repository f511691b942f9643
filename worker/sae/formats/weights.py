"""Reads tensors and JSON from a dictionary's folder, and says plainly what is wrong with a file."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from worker.sae.errors import DictionaryFileError


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises DictionaryFileError where it is missing or no JSON object."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DictionaryFileError(f"There is no {path.name} in {str(path.parent)!r}.") from error
    except (OSError, ValueError) as error:
        raise DictionaryFileError(f"{str(path)!r} cannot be read as JSON: {error}.") from error
    if not isinstance(values, dict):
        raise DictionaryFileError(f"{str(path)!r} holds a JSON {type(values).__name__}; a JSON object was expected.")
    return values


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, floating ones as float32.

    Raises DictionaryFileError where the file is missing, truncated, or holds NaN or infinity.
    """
    if not path.is_file():
        raise DictionaryFileError(
            f"There is no {path.name} in {str(path.parent)!r}; the dictionary's weights are missing."
        )
    try:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            tensors = {name: _as_float32(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise DictionaryFileError(
            f"{str(path)!r} is no whole safetensors file ({error}). It is damaged or half downloaded; fetch it again."
        ) from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            bad = int((~torch.isfinite(tensor)).sum())
            raise DictionaryFileError(
                f"{name} in {str(path)!r} holds {bad} values that are NaN or infinite; "
                "the file is damaged, fetch it again."
            )
    return tensors


def expect_shapes(path: Path, tensors: dict[str, Tensor], expected: dict[str, tuple[int, ...]]) -> None:
    """Raises DictionaryFileError where a tensor is missing, has another shape, or was not expected."""
    for name, shape in expected.items():
        if name not in tensors:
            held = ", ".join(sorted(tensors)) or "nothing"
            raise DictionaryFileError(f"{str(path)!r} has no {name}; it holds {held}.")
        if tuple(tensors[name].shape) != shape:
            raise DictionaryFileError(
                f"{name} in {str(path)!r} is {tuple(tensors[name].shape)}, but by cfg.json it is {shape}; "
                "the weights and the configuration belong to different dictionaries."
            )
    if extra := sorted(set(tensors) - set(expected)):
        raise DictionaryFileError(
            f"{str(path)!r} also holds {', '.join(extra)}, which this architecture does not use; "
            "cfg.json may name the wrong architecture."
        )


def _as_float32(tensor: Tensor) -> Tensor:
    return tensor.to(torch.float32) if tensor.is_floating_point() else tensor
