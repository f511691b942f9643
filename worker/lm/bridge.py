"""Boots TransformerLens's bridge on a model's local files."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.sources.transformers import (
    determine_architecture_from_hf_config,
    get_hf_model_class_for_architecture,
)
from transformers import AutoConfig, PreTrainedModel
from transformers.utils import logging

from worker.lm.errors import LanguageModelError, ModelFilesError
from worker.lm.files import ModelFiles
from worker.lm.tokenizer import Tokenizer


def boot_bridge(
    files: ModelFiles, tokenizer: Tokenizer, *, device: torch.device, dtype: torch.dtype
) -> TransformerBridge:
    """The model behind TransformerLens's hooks, with its weights as they are stored.

    Raises LanguageModelError for an architecture that TransformerLens does not know, ModelFilesError for
    weights that cannot be read or do not fit the configuration.
    """
    config = _config(files)
    try:
        model_class = get_hf_model_class_for_architecture(determine_architecture_from_hf_config(config))
    except (ValueError, KeyError, AttributeError) as error:
        raise LanguageModelError(
            f"TransformerLens does not know the architecture of {files.source!r} ({config.model_type}): {error}"
        ) from error
    hf_model = _loaded(files, model_class, dtype=dtype)
    nn.Module.to(hf_model, device)
    hf_model.eval().requires_grad_(False)
    return TransformerBridge.boot_transformers(
        files.name,
        hf_model=hf_model,
        tokenizer=copy.deepcopy(tokenizer.wrapped),
        device=device,
        dtype=dtype,
        trust_remote_code=False,
    )


def _config(files: ModelFiles) -> Any:
    try:
        return AutoConfig.from_pretrained(str(files.folder), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ModelFilesError(
            f"{files.folder / 'config.json'} is not a configuration that can be loaded: {error}"
        ) from error


def _loaded(files: ModelFiles, model_class: Any, *, dtype: torch.dtype) -> PreTrainedModel:
    """Refuses weights that the model lacks or that it has no place for in part: such a model would run on noise."""
    try:
        with _no_progress_bar():
            model, report = model_class.from_pretrained(
                str(files.folder),
                dtype=dtype,
                local_files_only=True,
                trust_remote_code=False,
                attn_implementation="eager",
                output_loading_info=True,
            )
    except (OSError, SafetensorError, RuntimeError, ValueError) as error:
        raise ModelFilesError(f"The weights in {files.folder} cannot be loaded: {error}") from error
    if missing := sorted(report["missing_keys"]):
        raise ModelFilesError(
            f"The weights in {files.folder} lack {', '.join(missing[:4])} ({len(missing)} in all), "
            "which config.json asks for; the two belong to different models."
        )
    return model


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Loading is one step of a longer job, which has a bar of its own."""
    was_shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_shown:
            logging.enable_progress_bar()
