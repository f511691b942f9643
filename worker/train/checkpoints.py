"""Keeps a run's state in one file that is replaced whole, so that a kill at any moment leaves the one before."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from worker.train.errors import TrainingError

CHECKPOINT_FILE = "checkpoint.safetensors"
STATE_KEY = "state"


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Tensors by name, and plain JSON values."""

    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """Writes beside the old one, then renames over it. Raises TrainingError where the disk does not take it."""
    path = folder / CHECKPOINT_FILE
    unfinished = folder / (CHECKPOINT_FILE + ".unfinished")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, str(unfinished), metadata={STATE_KEY: json.dumps(dict(checkpoint.values))})
        unfinished.replace(path)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            unfinished.unlink()
        raise TrainingError(f"The checkpoint {str(path)!r} could not be written: {error}. Free some space.") from error
    return path


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """The run's state, or None where it has none yet. Raises TrainingError where the file is damaged."""
    path = folder / CHECKPOINT_FILE
    if not path.exists():
        return None
    try:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            values = json.loads((file.metadata() or {})[STATE_KEY])
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise TrainingError(
            f"The checkpoint {str(path)!r} is damaged ({error}). Delete it to start the run from the beginning."
        ) from error
    return Checkpoint(tensors, values)


def with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors, each name led by `prefix` and a slash."""
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def under_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names `prefix` leads, without it."""
    lead = f"{prefix}/"
    return {name.removeprefix(lead): tensor for name, tensor in tensors.items() if name.startswith(lead)}
