"""What a SAELens cfg.json says, in one form for version 6 (with `metadata`) and the flat files before it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.sae.conventions import Conventions
from worker.sae.errors import DictionaryFileError, UnsupportedDictionaryError

ARCHITECTURES = ("standard", "topk", "jumprelu", "batchtopk", "matryoshka_batchtopk")
OLD_NAMES = {
    "hook_point": "hook_name",
    "hook_point_head_index": "hook_head_index",
    "activation_fn_str": "activation_fn",
}
WAY_OUT = "Save it from SAELens in a supported form, or choose another dictionary."


@dataclass(frozen=True, slots=True)
class SaeLensConfig:
    """The parts of a cfg.json that say what the weights mean.

    scaled_input: the weights are made for activations scaled by a factor kept beside them.
    rescaled_by_norm: selection uses activation times decoder norm.
    """

    architecture: str
    d_in: int
    d_sae: int
    k: int | None
    subtracts_b_dec: bool
    scaled_input: bool
    rescaled_by_norm: bool
    hook_name: str
    model_name: str
    conventions: Conventions
    metadata: Mapping[str, Any]


def parse_config(path: Path, values: Mapping[str, Any]) -> SaeLensConfig:
    """Reads either version.

    Raises DictionaryFileError where something is missing or contradicts itself, UnsupportedDictionaryError where
    the dictionary needs something that has no place in the canonical form.
    """
    flat, metadata = _one_form(values)
    architecture = _architecture(path, flat)
    _refuse_unsupported(path, flat, metadata)
    rescaled = bool(flat.get("rescale_acts_by_decoder_norm", False))
    return SaeLensConfig(
        architecture=architecture,
        d_in=_count(path, flat, "d_in"),
        d_sae=_count(path, flat, "d_sae"),
        k=_k(path, flat, architecture),
        subtracts_b_dec=bool(flat.get("apply_b_dec_to_input", True)),
        scaled_input=_scaled_input(path, flat.get("normalize_activations")),
        rescaled_by_norm=rescaled,
        hook_name=_name(path, metadata, "hook_name"),
        model_name=_name(path, metadata, "model_name"),
        conventions=_conventions(path, metadata),
        metadata=metadata,
    )


def _one_form(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what the weights mean, where they come from), with the names of version 6."""
    if isinstance(values.get("metadata"), dict):
        flat = {name: value for name, value in values.items() if name != "metadata"}
        return flat, dict(values["metadata"])
    flat = {OLD_NAMES.get(name, name): value for name, value in values.items()}
    activation = flat.get("activation_fn") or "relu"
    if activation == "topk":
        flat["architecture"] = "topk"
        kwargs = flat.get("activation_fn_kwargs")
        flat["k"] = kwargs.get("k") if isinstance(kwargs, dict) else None
    flat.setdefault("architecture", "standard")
    return flat, dict(flat)


def _architecture(path: Path, flat: Mapping[str, Any]) -> str:
    architecture = flat.get("architecture", "standard")
    if architecture not in ARCHITECTURES:
        raise UnsupportedDictionaryError(
            f"{str(path)!r} is of architecture {architecture!r}; those read are {', '.join(ARCHITECTURES)}. {WAY_OUT}"
        )
    activation = flat.get("activation_fn") or "relu"
    if activation not in ("relu", "topk"):
        raise UnsupportedDictionaryError(
            f"{str(path)!r} uses the activation {activation!r}; those read are relu and topk. {WAY_OUT}"
        )
    return architecture


def _refuse_unsupported(path: Path, flat: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
    if metadata.get("hook_head_index") is not None:
        raise UnsupportedDictionaryError(
            f"{str(path)!r} reads a single attention head (hook_head_index {metadata['hook_head_index']}); "
            f"only whole hooks are read. {WAY_OUT}"
        )
    if metadata.get("hook_name_out") not in (None, metadata.get("hook_name")):
        raise UnsupportedDictionaryError(
            f"{str(path)!r} reads {metadata.get('hook_name')!r} and writes {metadata['hook_name_out']!r}, so it is a "
            f"transcoder; only dictionaries with one hook are read. {WAY_OUT}"
        )
    reshape = flat.get("reshape_activations", "none")
    if reshape not in ("none", "hook_z"):
        raise UnsupportedDictionaryError(
            f"{str(path)!r} reshapes activations by {reshape!r}; those read are none and hook_z. {WAY_OUT}"
        )


def _scaled_input(path: Path, normalization: Any) -> bool:
    if normalization in (None, False, "none"):
        return False
    if normalization in (True, "expected_average_only_in"):
        return True
    raise UnsupportedDictionaryError(
        f"{str(path)!r} normalizes activations by {normalization!r}, which changes from token to token and cannot be "
        f"folded into the weights; those read are none and expected_average_only_in. {WAY_OUT}"
    )


def _k(path: Path, flat: Mapping[str, Any], architecture: str) -> int | None:
    k = flat.get("k")
    if architecture in ("standard", "jumprelu"):
        if k is not None:
            raise DictionaryFileError(
                f"{str(path)!r} gives k = {k} and the architecture {architecture!r}, which has no k; "
                "one of them is wrong."
            )
        return None
    if architecture == "topk":
        return _count(path, flat, "k")
    return None


def _count(path: Path, flat: Mapping[str, Any], name: str) -> int:
    value = flat.get(name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise DictionaryFileError(f"{str(path)!r} says {name} = {value!r}; a whole number above 0 was expected.")
    return value


def _name(path: Path, metadata: Mapping[str, Any], name: str) -> str:
    value = metadata.get(name)
    if not isinstance(value, str) or not value:
        raise DictionaryFileError(
            f"{str(path)!r} does not say {name} (it says {value!r}), so nobody can tell what the dictionary reads; "
            f'add "{name}" to its metadata.'
        )
    return value


def _conventions(path: Path, metadata: Mapping[str, Any]) -> Conventions:
    n_ctx = metadata.get("context_size")
    if n_ctx is None:
        raise DictionaryFileError(
            f'{str(path)!r} does not say how long its contexts are; add "context_size" to its metadata.'
        )
    kwargs = metadata.get("model_from_pretrained_kwargs")
    folded = isinstance(kwargs, dict) and any(kwargs.get(name) for name in ("fold_ln", "center_writing_weights"))
    excluded = metadata.get("exclude_special_tokens")
    prepend_bos = metadata.get("prepend_bos")
    return Conventions(
        prepend_bos=True if prepend_bos is None else bool(prepend_bos),
        n_ctx=_count(path, metadata, "context_size"),
        weight_processing="folded" if folded else "raw",
        excluded_tokens=tuple(int(token) for token in excluded) if isinstance(excluded, list) else (),
    )
