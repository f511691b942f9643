"""The SAELens layout, read and written: cfg.json beside sae_weights.safetensors."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from worker.sae.dictionary import KINDS, THRESHOLD_KINDS, Dictionary, Kind
from worker.sae.errors import DictionaryError, DictionaryFileError, UnsupportedDictionaryError
from worker.sae.folding import RawWeights, row_norms
from worker.sae.formats.saelens_config import SaeLensConfig, parse_config
from worker.sae.formats.weights import expect_shapes, read_json, read_tensors

CONFIG_FILE = "cfg.json"
WEIGHTS_FILE = "sae_weights.safetensors"
SCALER_FILE = "activation_scaler.json"
LAYOUT_VERSION = "6.54.12"
KIND_OF_ARCHITECTURE: dict[str, Kind] = {
    "standard": "relu",
    "topk": "topk",
    "jumprelu": "jumprelu",
    "batchtopk": "jumprelu",
    "matryoshka_batchtopk": "jumprelu",
}
FOLDED_MODEL = {"fold_ln": True, "center_writing_weights": True}


def detect(folder: Path) -> bool:
    """Whether a folder looks like this layout, complete or not."""
    return (folder / CONFIG_FILE).is_file() or (folder / WEIGHTS_FILE).is_file()


def read(folder: Path) -> Dictionary:
    """The dictionary in a folder, in canonical form.

    Raises DictionaryFileError on damaged or contradictory files, UnsupportedDictionaryError on what has no
    canonical form (each message says what it is).
    """
    config = parse_config(folder / CONFIG_FILE, read_json(folder / CONFIG_FILE))
    tensors = read_tensors(folder / WEIGHTS_FILE)
    activation_scale = _take_activation_scale(tensors, config)
    raw = _raw_weights(folder / WEIGHTS_FILE, tensors, config)
    decoder_norms = row_norms(raw.W_dec)
    if activation_scale is not None:
        raw = raw.with_activation_scale(activation_scale)
    folded = _fold(raw, config, _input_scale(folder, config))
    try:
        return _canonical(folded, config, decoder_norms, _provenance(folder, config, activation_scale))
    except DictionaryError as error:
        raise DictionaryFileError(f"The dictionary in {str(folder)!r} does not hold together. {error}") from error


def write(dictionary: Dictionary, folder: Path, *, dtype: torch.dtype = torch.float32) -> None:
    """Writes the version 6 layout. Kinds that SAELens does not have are written as the jumprelu they are equal to.

    dtype: of the matrices (float32 or bfloat16); biases and thresholds stay float32.
    Both files get their names when they are whole. Raises UnsupportedDictionaryError on another dtype,
    DictionaryFileError where the disk does not take them.
    """
    if dtype not in (torch.float32, torch.bfloat16):
        raise UnsupportedDictionaryError(f"Weights are written as float32 or bfloat16, not {dtype}.")
    text = json.dumps(_config_to_write(dictionary), indent=2, sort_keys=True) + "\n"
    unfinished = [folder / f"{name}.unfinished" for name in (WEIGHTS_FILE, CONFIG_FILE)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished[1].write_text(text, encoding="utf-8")
        save_file(_tensors_to_write(dictionary, dtype), str(unfinished[0]))
        unfinished[0].chmod(unfinished[1].stat().st_mode)
        for path in unfinished:
            path.replace(path.with_suffix(""))
    except (OSError, SafetensorError) as error:
        for path in unfinished:
            with suppress(OSError):
                path.unlink()
        raise DictionaryFileError(f"The dictionary could not be written to {str(folder)!r}: {error}.") from error


def _take_activation_scale(tensors: dict[str, Tensor], config: SaeLensConfig) -> Float[Tensor, " d_sae"] | None:
    """Removes a factor on the activations that files before version 6 may hold; ones mean nothing."""
    for name in ("scaling_factor", "finetuning_scaling_factor"):
        scale = tensors.get(name)
        if scale is not None and tuple(scale.shape) == (config.d_sae,):
            del tensors[name]
            return None if bool((scale == 1).all()) else scale
    return None


def _raw_weights(path: Path, tensors: dict[str, Tensor], config: SaeLensConfig) -> RawWeights:
    expected: dict[str, tuple[int, ...]] = {
        "W_enc": (config.d_in, config.d_sae),
        "b_enc": (config.d_sae,),
        "W_dec": (config.d_sae, config.d_in),
        "b_dec": (config.d_in,),
    }
    if config.architecture == "jumprelu":
        name = "log_threshold" if "log_threshold" in tensors else "threshold"
        expected[name] = (config.d_sae,)
    elif config.architecture in ("batchtopk", "matryoshka_batchtopk"):
        expected["topk_threshold"] = ()
    expect_shapes(path, tensors, expected)
    return RawWeights(
        W_enc=tensors["W_enc"].contiguous(),
        b_enc=tensors["b_enc"],
        W_dec=tensors["W_dec"].contiguous(),
        b_dec=tensors["b_dec"],
        threshold=_threshold(path, tensors, config),
    )


def _threshold(path: Path, tensors: dict[str, Tensor], config: SaeLensConfig) -> Float[Tensor, " d_sae"] | None:
    if "log_threshold" in tensors:
        return tensors["log_threshold"].exp()
    if "topk_threshold" in tensors:
        threshold = float(tensors["topk_threshold"])
        if threshold <= 0:
            raise DictionaryFileError(
                f"topk_threshold in {str(path)!r} is {threshold}, so it has not been trained; train it longer, "
                "or save it from SAELens as an inference model."
            )
        return torch.full((config.d_sae,), threshold)
    return tensors.get("threshold")


def _input_scale(folder: Path, config: SaeLensConfig) -> float | None:
    """The factor on activations that training used, where the weights still need it."""
    if not config.scaled_input:
        return None
    path = folder / SCALER_FILE
    if not path.is_file():
        raise UnsupportedDictionaryError(
            f"The dictionary in {str(folder)!r} was trained on scaled activations (normalize_activations is "
            "'expected_average_only_in') and the factor is not folded into its weights. Fold it with SAELens "
            f'(fold_activation_norm_scaling_factor) and save again, or put {{"scaling_factor": …}} in {SCALER_FILE}.'
        )
    scaler = read_json(path)
    factor = scaler.get("scaling_factor")
    if scaler.get("has_whitening"):
        raise UnsupportedDictionaryError(f"{str(path)!r} says that activations were whitened, which is not read.")
    if not isinstance(factor, int | float) or not 0 < factor < float("inf"):
        raise DictionaryFileError(f"{str(path)!r} says scaling_factor = {factor!r}; a number above 0 was expected.")
    return float(factor)


def _fold(raw: RawWeights, config: SaeLensConfig, scale: float | None) -> RawWeights:
    if scale is not None:
        raw = raw.with_input_scale(scale)
    if config.subtracts_b_dec:
        raw = raw.with_centred_input()
    if config.architecture == "topk":
        return raw.with_unit_decoder() if config.rescaled_by_norm else raw
    if config.architecture in ("batchtopk", "matryoshka_batchtopk") and config.rescaled_by_norm:
        return _with_threshold_on_rescaled(raw, scale or 1.0)
    return raw.with_unit_decoder()


def _with_threshold_on_rescaled(raw: RawWeights, scale: float) -> RawWeights:
    """The threshold was learnt on activation times decoder norm, in units of the scaled input."""
    threshold = None if raw.threshold is None else raw.threshold / scale
    return replace(replace(raw, threshold=None).with_unit_decoder(), threshold=threshold)


def _canonical(
    weights: RawWeights, config: SaeLensConfig, decoder_norms: Tensor, metadata: dict[str, Any]
) -> Dictionary:
    kind = _kind(config)
    neurons = kind == "neurons"
    if neurons and not torch.equal(weights.W_enc, torch.eye(config.d_in)):
        raise DictionaryError("Its metadata says that it is the neurons, but W_enc is not the identity.")
    return Dictionary(
        kind=kind,
        d_in=config.d_in,
        d_sae=config.d_sae,
        W_enc=None if neurons else weights.W_enc,
        b_enc=weights.b_enc,
        W_dec=None if neurons else weights.W_dec,
        b_dec=weights.b_dec,
        hook_name=config.hook_name,
        model_name=config.model_name,
        conventions=config.conventions,
        threshold=weights.threshold,
        k=config.k,
        decoder_norms=decoder_norms,
        metadata=metadata,
    )


def _kind(config: SaeLensConfig) -> Kind:
    """The architecture's kind, or the more exact one that `write` noted down."""
    noted = config.metadata.get("featurescope")
    kind = noted.get("kind") if isinstance(noted, dict) else None
    if kind is None:
        return KIND_OF_ARCHITECTURE[config.architecture]
    if kind not in KINDS:
        raise DictionaryError(f"Its metadata gives the kind {kind!r}; kinds are {', '.join(KINDS)}.")
    return kind


def _provenance(
    folder: Path, config: SaeLensConfig, activation_scale: Float[Tensor, " d_sae"] | None
) -> dict[str, Any]:
    provenance: dict[str, Any] = {"format": "saelens", "source": str(folder), "architecture": config.architecture}
    if activation_scale is not None:
        provenance["activation_scale"] = activation_scale.tolist()
    noted = config.metadata.get("featurescope")
    return {**config.metadata, **(_own_notes(noted) if isinstance(noted, dict) else {}), **provenance}


def _tensors_to_write(dictionary: Dictionary, dtype: torch.dtype) -> dict[str, Tensor]:
    identity = torch.eye(dictionary.d_in) if dictionary.W_enc is None else None
    matrices = {
        "W_enc": identity if dictionary.W_enc is None else dictionary.W_enc,
        "W_dec": identity if dictionary.W_dec is None else dictionary.W_dec,
    }
    vectors = {"b_enc": dictionary.b_enc, "b_dec": dictionary.b_dec}
    if dictionary.kind in THRESHOLD_KINDS:
        vectors["threshold"] = dictionary.firing_threshold
    written = {name: tensor.to("cpu", dtype) for name, tensor in matrices.items() if tensor is not None}
    written |= {name: tensor.to("cpu", torch.float32) for name, tensor in vectors.items()}
    return {name: tensor.detach().clone().contiguous() for name, tensor in written.items()}


def _own_notes(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What this project notes down of a dictionary it trained: the options of the run and the measured quality."""
    return {name: metadata[name] for name in ("trained", "quality") if name in metadata}


def _config_to_write(dictionary: Dictionary) -> dict[str, Any]:
    conventions = dictionary.conventions
    values: dict[str, Any] = {
        "architecture": {"relu": "standard", "topk": "topk"}.get(dictionary.kind, "jumprelu"),
        "d_in": dictionary.d_in,
        "d_sae": dictionary.d_sae,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": False,
        "normalize_activations": "none",
        "reshape_activations": "hook_z" if dictionary.hook_name.endswith("hook_z") else "none",
        "metadata": {
            "sae_lens_version": LAYOUT_VERSION,
            "model_name": dictionary.model_name,
            "hook_name": dictionary.hook_name,
            "context_size": conventions.n_ctx,
            "prepend_bos": conventions.prepend_bos,
            "exclude_special_tokens": list(conventions.excluded_tokens) or True,
            "model_from_pretrained_kwargs": FOLDED_MODEL if conventions.weight_processing == "folded" else {},
            "featurescope": {"kind": dictionary.kind} | _own_notes(dictionary.metadata),
        },
    }
    if dictionary.kind == "topk":
        values |= {"k": dictionary.k, "rescale_acts_by_decoder_norm": False}
    return values
