"""Keeps a basis exactly as it was made, for its thresholds come from a pilot sample and from nowhere else."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from worker.jobs.errors import JobError
from worker.sae.conventions import Conventions
from worker.sae.dictionary import Dictionary

TENSORS = ("W_enc", "b_enc", "W_dec", "b_dec", "threshold", "decoder_norms")
FIELDS = ("kind", "d_in", "d_sae", "hook_name", "model_name")


def save_basis(dictionary: Dictionary, path: Path) -> None:
    """One safetensors file, written under a temporary name and renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: tensor.detach().contiguous().to(torch.float32)
        for name in TENSORS
        if (tensor := getattr(dictionary, name)) is not None
    }
    described = {name: getattr(dictionary, name) for name in FIELDS}
    described |= {"conventions": dictionary.conventions.to_json(), "metadata": dict(dictionary.metadata)}
    unfinished = path.with_suffix(f".{dictionary.hash[:8]}.unfinished")
    save_file(tensors, unfinished, metadata={"featurescope": json.dumps(described)})
    unfinished.replace(path)


def load_basis(path: Path) -> Dictionary:
    """The basis as it was saved, with the same hash. Raises JobError where the file is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            described = json.loads(file.metadata()["featurescope"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise JobError(f"The basis in {path} cannot be read: {error}. Add it again.") from error
    conventions = Conventions.from_json(described.pop("conventions"))
    optional = {"W_enc": None, "W_dec": None, **tensors}
    return Dictionary(**described, **optional, conventions=conventions)
